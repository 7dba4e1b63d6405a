"""The snippets of docs/connect.md, and the notebook: every one runs, none is skipped."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, PROJECT, Pipeline, catalogue, title
from documents import read_documents

NOTEBOOK = PROJECT / "docs/explore.ipynb"
PACKAGES = {
    "duckdb_sqlalchemy": "duckdb-sqlalchemy",
    **{name: name for name in ("duckdb", "pandas", "polars", "sqlalchemy", "matplotlib")},
}


def find_blocks(language: str) -> list[str]:
    """The snippets of how to connect, in one language."""
    return re.findall(rf"```{language}\n(.*?)```", read_documents("docs/connect.md"), re.S)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Pipeline:
    """Two nights of a catalogue, published, with a folder as docs/ next to data/."""
    pipeline = Pipeline(tmp_path_factory.mktemp("published"))
    nights = {
        "2019-12-01": [title(number) for number in range(1, 31)],
        "2020-02-01": [title(1, rating="R"), *(title(number) for number in range(3, 34))],
    }
    for day, rows in nights.items():
        given = {"NETFLIX_CSV": pipeline.put(catalogue(*rows)), "SNAPSHOT_AT": day}
        steps = (*CHAIN, "08_build_analytics", "09_publish")
        done = pipeline.steps(*steps, **given, FRESHNESS_DAYS="36500", NEWEST_TITLE_DAYS="36500")
        assert done.returncode == 0, done.stderr
    (pipeline.root / "docs").mkdir()
    return pipeline


def test_every_snippets_package_is_installed():
    """The tests below run all of them: what is not there is in no list of the tests' packages."""
    code = "\n".join(find_blocks("python") + read_cells())
    used = set(re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)) | {"duckdb_sqlalchemy"}
    used |= {"pandas", "matplotlib"}  # by .df() and .plot
    assert used == set(PACKAGES)
    lists = [PROJECT / "requirements.txt", PROJECT / "tests/requirements.txt"]
    pinned = re.findall(r"^([\w-]+)==", "\n".join(path.read_text() for path in lists), re.MULTILINE)
    assert set(PACKAGES.values()) <= set(pinned)
    skipped = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    assert len(skipped) == 0, skipped


@pytest.mark.parametrize("number", range(len(find_blocks("python"))))
def test_a_python_snippet_runs(published, monkeypatch, capsys, number):
    monkeypatch.chdir(published.root)
    exec(compile(find_blocks("python")[number], "snippet", "exec"), {"__name__": "snippet"})
    shown = capsys.readouterr().out
    assert "Norway" in shown and "32" in shown


def test_the_command_lines_run(published):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for block in find_blocks("bash"):
        found = subprocess.run(
            ["bash", "-euc", block],
            cwd=published.root,
            env={"PATH": path},
            capture_output=True,
            text=True,
        )
        assert (found.returncode, found.stderr, "Norway" in found.stdout) == (0, "", True)


def test_superset_lists_columns_and_comments_by_the_uri_and_the_other_queries_run(published):
    sqlalchemy = importlib.import_module("sqlalchemy")
    text = read_documents("docs/connect.md")
    (uri,) = re.findall(r"duckdb:////srv\S+(?=`)", text)
    engine = sqlalchemy.create_engine(uri.replace("/srv/netflix", str(published.root)))
    inspector = sqlalchemy.inspect(engine)
    columns = {
        name: [column["name"] for column in inspector.get_columns(name)]
        for name in (*inspector.get_table_names(), *inspector.get_view_names())
    }
    assert all(inspector.get_table_comment(name)["text"] for name in columns)
    engine.dispose()
    path = published.root / "data/published/netflix.duckdb"
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM information_schema.tables").fetchall()
        assert columns == {name: con.table(name).columns for (name,) in tables}
        for query in find_blocks("sql"):
            assert con.execute(query).fetchall()
    (evidence,) = find_blocks("yaml")
    assert "type: duckdb" in evidence and "filename: netflix.duckdb" in evidence


def read_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_runs_from_its_folder_and_holds_no_output(published, monkeypatch):
    monkeypatch.chdir(published.root / "docs")
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict = {}
    for number, code in enumerate(read_cells()):
        exec(compile(code, f"cell {number}", "exec"), names)
    importlib.import_module("matplotlib.pyplot").close("all")
    assert names["types"]["titles"].sum() == 32
    assert names["by_year"].to_numpy().sum() == 32
    assert (len(names["then"]), len(names["now"])) == (30, 32)
    assert sorted(names["changes"]["operation"]) == ["delete", *["insert"] * 3, "update"]
    assert names["axes"].get_title()
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
