"""The house: which folder may import which, how long a file may be, how much there is in all.

Computed from the imports, those inside functions too; what is imported for type checkers alone does
not count, nor what is named in a text (the engines, which warehouse/database.py loads by name).
"""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest
from conftest import PROJECT

PYTHON, SQL, TESTS = PROJECT / "python", PROJECT / "sql", PROJECT / "tests"
SCRIPTS = "numbered scripts"
# An import goes from a later line to an earlier one, or stays in its room.
LEVELS = (
    ("errors",),
    ("config",),
    ("column",),
    ("contract",),
    ("warehouse",),
    ("runner",),
    ("engines",),
    ("ingest", "publish", "analytics"),
    ("audit", "staging", "operations", "mirror"),
    ("history",),
    (SCRIPTS,),
    ("run_all",),
)
ROOMS = set(chain(*LEVELS)) - {"errors", "config", "column", "contract", "run_all", SCRIPTS}
# Folders that are not a room of python/: what else they are for.
OTHERS = {
    SQL: {"checks": "the checks that audit/ runs", "reports": "what a person asks for"},
    TESTS: {"bench": "speed", "peers": "other tools", "reliability": "faults", "support": "shared"},
}
LONGEST_MODULE = 300
LONGEST_SCRIPT = dict.fromkeys(("02", "03", "04", "05", "06", "09", "11", "12"), 99)
LONGEST_SCRIPT |= dict.fromkeys(("01", "07", "08", "10"), 199) | {"00": 299}
# The ratchet: what there may be at most. A number goes down with the code; a commit that raises one
# says why.
MOST_LINES, MOST_TARGETS, MOST_SETTINGS = 20_619, 43, 47

FILES = sorted(PYTHON.rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PYTHON).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


def room(module: str) -> str:
    return SCRIPTS if module[0].isdigit() else module.split(".")[0]


def level(module: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if room(module) in rooms)


def find_imports(tree: ast.AST) -> Iterator[str]:
    """The modules of python/ that are imported when the program runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from find_imports(ast.Module(node.orelse, []))
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}: name the room"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inner]
        yield from (name for name in names if name in MODULES)
        yield from find_imports(node)


IMPORTS = {
    name: set(find_imports(ast.parse(path.read_text()))) - {name} for name, path in MODULES.items()
}


def count_lines(*paths: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in paths)


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_rooms_import_each_other_in_a_circle():
    rooms: dict[str, set[str]] = {}
    for name, imports in IMPORTS.items():
        rooms.setdefault(room(name), set()).update(set(map(room, imports)) - {room(name)})
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", MODULES)
def test_an_import_goes_down_or_stays_in_its_room(module):
    assert room(module) in chain(*LEVELS), f"{module} has no level"
    upward = [
        name
        for name in sorted(IMPORTS[module])
        if level(name) >= level(module) and room(name) != room(module)
    ]
    assert upward == []


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_too_long(module):
    longest = LONGEST_SCRIPT.get(module[:2], LONGEST_MODULE)
    assert count_lines(MODULES[module]) <= longest


def test_only_numbered_scripts_and_five_modules_are_outside_of_a_room():
    outside = {path.name for path in PYTHON.glob("*.py") if not re.match(r"\d\d_", path.name)}
    assert outside == {"column.py", "config.py", "contract.py", "errors.py", "run_all.py"}


def test_a_room_has_the_same_name_in_python_sql_and_tests():
    assert {path.parent.name for path in PYTHON.glob("*/__init__.py")} == ROOMS
    assert {path.parent.name for path in PYTHON.glob("*/*.py")} == ROOMS
    for folder, others in OTHERS.items():
        names = {path.parent.name for path in folder.glob("*/*.*")}
        assert names - ROOMS - {"__pycache__"} == set(others)


def test_there_are_no_more_lines_targets_and_settings_than_before():
    """Of the lines: what is vendored or generated (the page's outlines) is neither .py nor .sql."""
    sql = set(SQL.rglob("*.sql")) - {SQL / "sample.sql"}  # a vocabulary, line by line
    assert count_lines(*FILES, *sql) <= MOST_LINES
    makefile = (PROJECT / "Makefile").read_text()
    assert len(re.findall(r"^[a-z-]+:.*## ", makefile, re.MULTILINE)) <= MOST_TARGETS
    example = (PROJECT / ".env.example").read_text()
    assert len(re.findall(r"^[A-Z0-9_]+=", example, re.MULTILINE)) <= MOST_SETTINGS
