"""The parts hold to each other: scripts, Makefile, documents, .env.example, SQL files."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields

import pytest
from conftest import PROJECT, is_in_ninth
from documents import read_documents

from column import CANONICAL
from config import Settings, __version__

DEFAULTS = {setting.name.upper(): setting.metadata["default"] for setting in fields(Settings)}
MAKEFILE = (PROJECT / "Makefile").read_text()
DOCUMENTS = read_documents()
SCRIPTS = sorted((PROJECT / "python").glob("[0-9][0-9]_*.py"))
MODULES = sorted(path for path in (PROJECT / "python").rglob("*.py") if path not in SCRIPTS)
SQL_FILES = sorted((PROJECT / "sql").rglob("*.sql"))
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_setting_is_in_env_example_with_its_default_and_no_other():
    lines = re.findall(r"^([A-Z0-9_]+)=(.*)$", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    assert dict(lines) == DEFAULTS


def test_every_target_is_phony_and_has_help():
    assert set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)) == TARGETS
    assert set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE)) == TARGETS


def test_no_recipe_contains_text_from_a_person():
    """The shell would run what stands in it; the environment hands it over as it is."""
    recipes = "".join(re.findall(r"^\t.*\n", MAKEFILE, re.MULTILINE))
    recipes = re.sub(r"\$\(if \$\(\w+\),[^$()]*\)", "", recipes)  # whether it is given at all
    assert set(re.findall(r"(?<!\$)\$[({](\w+)", recipes)) == {"RUN", "IN"}


def test_every_script_has_a_target_and_every_target_a_script():
    assert {path.name for path in SCRIPTS} == set(re.findall(r"python/(\d\d_\w+\.py)", MAKEFILE))


def test_the_documents_name_only_targets_settings_and_files_that_exist():
    named = re.findall(r"(?:^|[`$] ?|&& )make ([a-z][a-z-]+)", DOCUMENTS, re.MULTILINE)
    assert set(named) <= TARGETS
    known = set(DEFAULTS) | set(["NETFLIX_REAL_DATA", "CRON_TZ"])
    assert set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[=`]", DOCUMENTS)) <= known
    for path in re.findall(r"`((?:python|sql|tests)/[\w./-]+)`", DOCUMENTS):
        assert (PROJECT / path).exists(), path


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_step_says_what_it_reads_and_writes_and_imports_no_other(path):
    tree = ast.parse(path.read_text())
    text = ast.get_docstring(tree)
    assert all(
        re.search(rf"^{word}", text, re.MULTILINE) for word in ("Reads:", "Writes:", "Fails")
    )
    assert not re.search(r"import_module|__import__", path.read_text())
    assert path.read_text().rstrip().splitlines()[-2] == 'if __name__ == "__main__":'


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=lambda path: path.name)
def test_no_print_no_swallowed_exception_and_pandas_only_to_inspect(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            assert not all(isinstance(child, ast.Pass) for child in node.body), node.lineno
        if path.name not in ("01_inspect_data.py", "profile.py"):
            assert not re.match(r"(import|from) pandas\b", ast.unparse(node)), node.lineno


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.name)
def test_a_sql_file_that_writes_states_its_grain_inputs_and_why_twice_is_safe(path):
    head = re.match(r"(--.*\n)+", path.read_text())[0].splitlines()
    body = re.sub(r"--.*", "", path.read_text())
    if re.search(r"^(CREATE|INSERT|UPDATE|DELETE|COPY|DROP|COMMENT)\b", body, re.MULTILINE):
        for words in ("-- Grain: ", "-- Inputs -> outputs: ", "-- Running it twice is safe"):
            assert any(line.startswith(words) for line in head)
        assert len(head) <= 6
    else:
        limit = re.compile(
            "-- (severity|scope|broken|limit|error_if|warn_if|way_out): "
        )  # what a check states besides
        assert len([line for line in head if not limit.match(line)]) <= 2
        is_warning = "-- severity: warn" in head
        assert not is_warning or any(line.startswith("-- way_out: ") for line in head)
    assert not re.search(r"GROUP BY ALL|SELECT \*", body)
    if path.name != "sample.sql":  # its vocabulary reads better in long lines
        assert max(len(line) for line in path.read_text().splitlines()) <= 100


# How many SQL files outside of analytics/ and staging name a column. A number only goes down.
MOST_FILES = {
    "show_id": 8, "type": 8, "title": 29, "director": 2, "cast": 2, "country": 5, "date_added": 6,
    "release_year": 4, "rating": 5, "duration": 2, "listed_in": 3, "description": 2,
}  # fmt: skip
# Of their own: what a check says; what looks like a duration.
OTHER_WORDS = {
    "description": {"ops", "publish/check_failures", "publish/held", "publish/page_checks"},
    "duration": {"reports/inspect"},
}


@pytest.mark.parametrize("column", CANONICAL)
def test_the_sql_that_names_a_column_is_listed_with_its_reason(column):
    design = (PROJECT / "docs" / "design.md").read_text()
    rows = re.findall(rf"^\| `{column}` \| (.*) \| (\w.*) \|$", design, re.MULTILINE)
    listed = [name for names, _ in rows for name in re.findall(r"`([\w/]+)`", names)]
    found = set()
    for path in SQL_FILES:
        name = str(path.relative_to(PROJECT / "sql").with_suffix(""))
        body = re.sub(r"--.*", "", path.read_text())
        if re.search(rf"(?<!\w){column}\b(?!\()", body):
            found.add(name)
    found = {name for name in found if not name.startswith(("analytics/", "staging"))}
    found -= {"sample", *OTHER_WORDS.get(column, ())}
    assert sorted(listed) == sorted(found)
    assert len(found) <= MOST_FILES[column]


def test_the_newest_entry_of_the_changelog_says_what_an_upgrade_does():
    text = (PROJECT / "CHANGELOG.md").read_text()
    newest = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    assert newest.split()[0] == __version__
    assert "**Upgrade.**" in newest


def test_the_notice_names_what_others_made():
    page, notice = PROJECT / "python/publish/page", (PROJECT / "NOTICE").read_text()
    vendored = [page / "world.json", *page.glob("built/*"), page / "vendor" / "LICENSES.txt"]
    vendored.remove(page / "built" / "page.js")  # our own script, bundled
    assert [path.name for path in vendored if path.name not in notice] == []


def test_exit_codes_are_the_documented_table():
    import errors

    table = dict(re.findall(r"^ *(\d+) +(\w+)", errors.__doc__, re.MULTILINE))
    codes = {str(value) for name, value in vars(errors).items() if name.isupper()}
    assert set(table) == codes == {"0", "1", "2", "20", "30", "40", "75", "128"}
    for code in codes:
        assert re.search(rf"^\| {code} \|", DOCUMENTS, re.MULTILINE), code


def collect(*arguments: str, **environment: str) -> set[str]:
    """The ids of the cases that pytest would run."""
    options = ["--collect-only", "-o", "addopts=-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=PROJECT,
        env={**os.environ, "NINTH": "", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.slow  # it collects tests three times
def test_a_ninth_adds_some_slow_cases_to_the_quick_ones():
    cases = "tests/history/test_guard.py"
    slow, quick = collect(cases, "-m", "slow"), collect(cases, "-m", "not slow")
    ninth = {nodeid for nodeid in slow if is_in_ninth(nodeid, 4)}
    assert 0 < len(ninth) < len(slow) / 4
    assert collect(cases, NINTH="4") == quick | ninth


@pytest.mark.slow
def test_nine_ninths_are_all_slow_cases_and_about_equal():
    slow = collect("-m", "slow and not mutants and not engines")
    sizes = [sum(is_in_ninth(nodeid, ninth) for nodeid in slow) for ninth in range(9)]
    assert sum(sizes) == len(slow) > 500
    assert len(slow) / 12 < min(sizes) and max(sizes) < len(slow) / 7
