"""Run the commands of a document in a fresh clone, and compare what they print with the document.

A ```console block is a transcript: `$ command`, and below it what the command prints, stdout and
stderr. A line `...` stands for any lines, a line that ends in ` ...` for any end of it. A ```bash
block is run as one script and must succeed. The blocks of a document run in their order, in one
folder. Times, dates, seconds, sizes in MB, ids of runs and snapshots, and the folder may differ.

    .venv/bin/python tests/support/transcript.py docs/tutorial.md [--write]

With --write it puts what the commands print now where the document differs.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
HOME = "/home/you/netflix-elt-pipeline"  # the folder that the documents show
BLOCK = re.compile(r"^```(console|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAY_DIFFER = (
    (r"\b\d{8}T\d{6}Z", "<time>"),
    (r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?)?\b", "<time>"),
    (r"\b\d{1,2} [A-Z][a-z]{2}\b(?! *\d)", "<day>"),
    (r"\b\d+\.\d\d\b", "<seconds>"),
    (r"\b[\d.]+ MB\b", "<size>"),
    (r"\brun [0-9a-f]{8,}\b", "run <id>"),
    (r"\bdim_date +[\d,]+ live +[\d,]+", "dim_date <days to today>"),
    (r"Makefile:\d+", "Makefile:<line>"),
    (r"[-─━]{2,}", "--"),
    (r"\s+", " "),
)


@dataclass
class Command:
    text: str
    shown: list[str]


def split_transcript(block: str) -> list[Command]:
    commands: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        else:
            commands[-1].shown.append(line)
    return commands


def clone_project(folder: Path) -> Path:
    """Clone the checkout's last commit, with the virtual environment that runs this."""
    clone = folder / "netflix-elt-pipeline"
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
    (clone / ".venv").symlink_to(sys.prefix)
    return clone


def run_shell(script: str, clone: Path) -> tuple[int, list[str]]:
    """Run a script as a person does in a shell of their own; return its code and its lines."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=clone,
        env={  # one thread: a few titles need no more, and each core has a test of its own
            **{"PATH": os.environ["PATH"], "HOME": str(clone)},
            **{"LANG": "C.UTF-8", "DUCKDB_THREADS": "1", "GIVEN_SETTINGS": ""},
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    text = done.stdout.replace(str(clone), HOME)
    return done.returncode, [line.rstrip() for line in text.rstrip().splitlines()]


def normalise(line: str) -> str:
    for pattern, name in MAY_DIFFER:
        line = re.sub(pattern, name, line)
    return line.strip()


def is_shown(shown: list[str], printed: list[str]) -> bool:
    """Whether a document shows what was printed."""
    lines = [
        r"(?:[^\n]*\n)*"
        if line == "..."
        else re.escape(normalise(line.removesuffix(" ...")))
        + (r"[^\n]*\n" if line.endswith(" ...") else "\n")
        for line in shown
    ]
    return bool(re.fullmatch("".join(lines), "".join(f"{normalise(line)}\n" for line in printed)))


def run_document(document: str, clone: Path) -> tuple[list[str], str]:
    """Return what differs, a text for each, and the document as it should be."""
    problems: list[str] = []

    def run_block(block: re.Match) -> str:
        language, content = block.groups()
        if language == "bash":
            code, printed = run_shell(f"set -eu\n{content}", clone)
            if code:
                problems.append("\n".join([f"exit code {code} of:", content, *printed]))
            return block[0]
        lines = []
        for command in split_transcript(content):
            _, printed = run_shell(command.text, clone)
            if not is_shown(command.shown, printed):
                problems.append("\n".join([f"$ {command.text}", *printed]))
                command.shown = printed
            lines += [f"$ {command.text}", *command.shown]
        return "\n".join(["```console", *lines, "```"])

    return problems, BLOCK.sub(run_block, document)


def main() -> int:
    import tempfile

    path = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        problems, document = run_document(path.read_text(), clone_project(Path(folder)))
    sys.stdout.write("\n\n".join([*problems, ""]))
    if "--write" in sys.argv:
        path.write_text(document)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
