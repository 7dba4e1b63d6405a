"""Every program answers --help and refuses unknown options, without starting any work."""

import re

import pytest
from conftest import PROJECT

PYTHON = PROJECT / "python"
PROGRAMS = [
    path.relative_to(PYTHON).with_suffix("").as_posix()
    for path in sorted(PYTHON.rglob("*.py"))
    if '\nif __name__ == "__main__":' in path.read_text()
]
TARGETS = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def run(pipeline, program: str, *arguments: str):
    if program[0].isdigit():
        return pipeline.step(program, *arguments)
    if "/" in program:
        return pipeline.python("-m", program.replace("/", "."), *arguments)
    return pipeline.process(program, *arguments)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_it_does_and_starts_nothing(pipeline, program):
    done = run(pipeline, program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    about, _, options = done.stdout.partition("\noptions:\n")
    assert re.search("^Reads", about, re.MULTILINE)
    example = re.search("^Example: (.+)$", about, re.MULTILINE)[1]
    assert program in example or "make " in example
    assert set(re.findall(r"make ([a-z-]+)", example)) <= set(TARGETS)
    assert set(re.findall(r"--[a-z]+", example)) <= set(re.findall(r"--[a-z]+", options))
    assert list(pipeline.root.iterdir()) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_option_is_refused_in_one_line_and_starts_nothing(pipeline, program):
    done = run(pipeline, program, "--nonsense\x1b[2J")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"[\w.]+: .+; nothing was started\. See --help\n", done.stderr)
    assert done.stderr[:-1].isprintable()
    assert list(pipeline.root.iterdir()) == []


@pytest.mark.parametrize("option", ["--ful", "something"])
def test_an_incomplete_option_and_an_extra_argument_are_refused(pipeline, option):
    assert run(pipeline, "05_run_staging_sql", option).returncode == 2
    assert list(pipeline.root.iterdir()) == []
