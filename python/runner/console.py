"""Write lines for the person at the terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What a spreadsheet would run as a formula, also after blanks and in full-width characters.
FORMULA_START = r"^[\s\x00]*[=+\-@＝＋－＠]|^[\t\r\n]"
CLEAR_LINE = "\r\033[2K"
PLAIN, BOLD, RED, GREEN, YELLOW, CYAN = "0", "1", "31", "32", "33", "36"


def printable(text: str) -> str:
    """Escape the control characters of a text: a file's content must not drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Escape a text, but keep its lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def quote(value: str | None) -> str:
    """Write a value of a title: in quotes, or (none)."""
    return "(none)" if value is None else repr(value)


def plural(count: int, noun: str) -> str:
    """Count things: 1 snapshot, 2 snapshots."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def say(text: str, colour: str = PLAIN, stream: Any = None) -> None:
    """Write a line, escaped; in colour only on a terminal, and never under NO_COLOR."""
    stream = stream or sys.stdout
    if stream is None:  # closed before this process began
        return
    text = printable_lines(text)
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\033[{colour}m{text}\033[0m"
    if is_terminal(stream):
        text = CLEAR_LINE + text  # show_progress may have written there
    encoding = stream.encoding or "utf-8"
    write(text.encode(encoding, "replace").decode(encoding) + "\n", stream)


def is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def show_progress(name: str) -> Iterator[None]:
    """Show a moving line on a terminal while the block runs; elsewhere do nothing."""
    if not is_terminal(sys.stdout):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    class VisibleCursor(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return False  # never hidden: a signal may end the process before it is shown again

    with Progress(
        *(TextColumn("{task.description:<9}"), SpinnerColumn(), TimeElapsedColumn()),
        console=VisibleCursor(file=sys.stdout),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        progress.add_task(name, total=None)
        yield


def write(text: str, stream: Any) -> None:
    """Write at once. If the reader has gone (`| head`), the work goes on without output."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say_error(text: str) -> None:
    """Say why something stopped or failed."""
    say(text, RED, sys.stderr)


def say_warning(text: str) -> None:
    """Say what a person should look at, though the work goes on."""
    say(text, YELLOW, sys.stderr)
