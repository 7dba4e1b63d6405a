"""Lines for the person at the terminal."""

import os
import sys
from typing import Any


def printable(text: str) -> str:
    """The text with control characters escaped: file content never drives the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which it keeps."""
    return "\n".join(printable(line) for line in text.split("\n"))


def say(text: str, colour: str, stream: Any = None) -> None:
    """A line for the person, escaped, coloured on a terminal only and never under NO_COLOR."""
    stream = stream or sys.stdout
    text = printable_lines(text)
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\033[{colour}m{text}\033[0m"
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
