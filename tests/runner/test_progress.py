"""A line moves on a terminal while a step works; there is no trace of it anywhere else."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from conftest import PROJECT

from runner import console

WORK = (
    "import sys, time; from runner.console import say, show_progress\n"
    "with show_progress('raw'):\n"
    "    time.sleep(0.4); say('raw       first'); time.sleep(0.4)\n"
    "say('raw       done')\n"
    "sys.exit('rich' in sys.modules)\n"
)
HAS_RICH = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import rich"], capture_output=True).returncode,
    reason="no rich: make setup installs it",
)


def show(text: str) -> list[str]:
    """The lines that a terminal shows of this text."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|.|\n", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and len(part) > 1:
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif len(part) == 1:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def run_on_a_terminal(code: str, **environment: str) -> tuple[list[tuple[float, str]], int]:
    """Run Python on a pseudo terminal: what it wrote, and when; and its exit code."""
    parent, child = pty.openpty()
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{PROJECT}/python", "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=child, stderr=child, env=given | environment
    )
    os.close(child)
    seen = []
    while True:
        try:
            text = os.read(parent, 65536).decode()
        except OSError:  # the other end is closed
            break
        seen.append((time.monotonic(), text))
    os.close(parent)
    return seen, process.wait()


@HAS_RICH
def test_progress_shows_a_line_and_clears_it_before_other_output():
    seen, used_rich = run_on_a_terminal(WORK)
    text = "".join(part for _, part in seen)
    assert used_rich
    assert len(seen) >= 4 and max(b - a for (a, _), (b, _) in pairwise(seen)) < 2
    assert "\x1b[?25l" not in text, "the cursor stays: a signal ends the process at once"
    assert [line for line in show(text) if line] == ["raw       first", "raw       done"]


@pytest.mark.parametrize("where", ["file", "dumb terminal"])
def test_without_a_terminal_there_is_no_progress_and_no_rich(where, tmp_path):
    if where == "file":
        path = tmp_path / "out"
        with path.open("w") as file:
            used_rich = subprocess.run(
                [sys.executable, "-c", WORK], stdout=file, env={"PYTHONPATH": f"{PROJECT}/python"}
            ).returncode
        text = path.read_text()
    else:
        seen, used_rich = run_on_a_terminal(WORK, TERM="dumb", NO_COLOR="1")
        text = "".join(part for _, part in seen).replace("\r\n", "\n")
    assert (text, used_rich) == ("raw       first\nraw       done\n", 0)


def test_a_line_to_a_terminal_clears_the_progress(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    stream.isatty = lambda: True
    console.say("done", stream=stream)
    assert show("raw  0:00:03" + stream.getvalue()) == ["done", ""]
