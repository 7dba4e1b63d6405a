"""The published copy is one of the warehouse's file: nothing in it was never meant for readers."""

import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, PROJECT, Pipeline, catalogue, title

from runner import lock
from warehouse import database

STAR = ("08_build_analytics", "09_publish")
LOAD = "03_load_raw_to_duckdb"
PUBLISH, WITHDRAW, REBUILD = "09_publish", "history/withdraw", "10_rebuild_warehouse"
SETTINGS = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
BLOCKS = 20  # of 256 KB: more than the KPIs take of what is free


def published(pipeline: Pipeline) -> Path:
    return pipeline.root / "data/published/netflix.duckdb"


def publish_again(pipeline: Pipeline) -> bytes:
    shutil.rmtree(pipeline.root / "data/published")
    done = pipeline.step(PUBLISH, **SETTINGS)
    assert (done.returncode, done.stderr) == (0, "")
    return published(pipeline).read_bytes()


def is_marked(pipeline: Pipeline) -> bool:
    return bool(
        pipeline.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'publishable_file'")
    )


def change(pipeline: Pipeline, *statements: str) -> None:
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        for statement in statements:
            con.execute(statement)


def content(pipeline: Pipeline) -> dict[str, object]:
    """Rows of each table and view, columns, comments, and what the macros give."""
    with duckdb.connect(str(published(pipeline)), read_only=True) as con:
        tables = con.execute(
            "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY 1"
        ).fetchall()
        rows = {
            name: sorted(con.execute(f"FROM {name}").fetchall(), key=repr) for name, _ in tables
        }
        columns = "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        return rows | {
            "tables": tables,
            "views": con.execute(
                "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
            ).fetchall(),
            "columns": con.execute(f"{columns} WHERE NOT internal ORDER BY ALL").fetchall(),
            "macros": con.execute(
                "SELECT count(*) FROM catalog_as_of(TIMESTAMP '2100-01-01') UNION ALL "
                "SELECT count(*) FROM "
                "changes_between(TIMESTAMP '1900-01-01', TIMESTAMP '2100-01-01')"
            ).fetchall(),
        }


def test_a_copy_of_the_file_is_what_a_copy_of_each_table_is(pipeline, published_once, monkeypatch):
    pipeline.copy_of(published_once)
    assert is_marked(pipeline)
    with monkeypatch.context() as chain:
        chain.setattr(lock, "inherited", True)
        assert pipeline.steps(LOAD, LOAD).returncode == 0
    assert (pipeline.root / "dw.db.wal").exists()  # for the next step of the chain
    publish_again(pipeline)
    of_file, files = content(pipeline), pipeline.digests("data/published/kpi")
    assert [row[2] for row in of_file["ops_runs"]].count("load") == 3
    change(pipeline, "DROP TABLE publishable_file")
    publish_again(pipeline)
    of_tables = content(pipeline)
    assert {name for name in of_file if of_file[name] != of_tables.get(name)} <= {"ops_runs"}
    assert of_file.keys() == of_tables.keys()
    assert pipeline.digests("data/published/kpi") == files


def test_a_new_file_that_was_begun_in_vain_is_marked_by_the_next_step(pipeline, monkeypatch):
    def fail(con: object, name: str, *arguments: object, **options: object) -> None:
        if name == "new_file.sql":
            raise RuntimeError("killed")
        run_file(con, name, *arguments, **options)

    run_file, csv = database.run_file, catalogue(title(1))
    with monkeypatch.context() as begun:
        begun.setattr(database, "run_file", fail)
        assert pipeline.land(csv).returncode == 1
    assert (pipeline.root / "dw.db").exists()
    assert pipeline.land(csv).returncode == 0
    assert is_marked(pipeline)


def test_a_file_that_held_other_rows_is_copied_table_by_table(pipeline, published_once):
    """The control: with the mark the rows are in the copy, though their table is not."""
    pipeline.copy_of(published_once)
    change(
        pipeline,
        "SET force_compression = 'uncompressed'",
        "CREATE TABLE planted AS SELECT repeat('Planted Text ', 20) || i AS text "
        f"FROM range({BLOCKS * 1000}) AS rows (i)",
        "CHECKPOINT",
        "CREATE TABLE ops_behind AS FROM range(100_000)",  # else the file is cut where they are
        "CHECKPOINT",
        "DROP TABLE planted",
        "CHECKPOINT",
    )
    found = publish_again(pipeline)
    assert b"Planted Text" in found, "the search finds what is there"
    assert b"Title 40" in found
    change(pipeline, "DROP TABLE publishable_file")
    found = publish_again(pipeline)
    assert b"Planted Text" not in found
    assert b"Title 40" in found


def night(pipeline: Pipeline, day: int, *titles: dict[str, str], code: int = 0) -> str:
    settings = SETTINGS | {"SNAPSHOT_AT": f"2024-06-0{day}"}
    source = pipeline.put(catalogue(*titles))
    done = pipeline.steps(*CHAIN, *STAR, NETFLIX_CSV=source, **settings)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.slow
def test_no_byte_of_what_was_set_aside_or_refused_is_published(pipeline):
    """Seen red with a table of the quarantine, or of staged rows, in the warehouse for a moment."""
    many = 3_000
    pipeline.settings = {
        "MAX_INSERTED_ROWS": "500", "MAX_INSERTED_PCT": "0", "MAX_QUARANTINED_PCT": "100",
        "MAX_DELETED_PCT": "100", "MAX_UPDATED_PCT": "100",
    }  # fmt: skip
    long = "and so on, " * 100  # rows fill blocks of their own, of which KPIs take few
    first = [title(n, description=f"Fine Text {n} {long}") for n in range(1, many)]
    aside = [title(n, type="Game", description=f"Aside {n} {long}") for n in range(many, 2 * many)]
    night(pipeline, 1, *first, *aside)
    refused = [title(n, description=f"Refused {n} {long}") for n in range(2 * many, 3 * many)]
    assert "the file inserts" in night(pipeline, 2, *first, *aside, *refused, code=20)
    changed = [row | {"description": f"Other Text {n} {long}"} for n, row in enumerate(first)]
    night(pipeline, 3, *changed, *aside)
    assert is_marked(pipeline)
    found = published(pipeline).read_bytes()
    assert [text for text in (b"Fine Text", b"Other Text") if text not in found] == []
    assert [text for text in (b"Aside ", b"Refused ") if text in found] == []


@pytest.mark.slow
def test_what_takes_rows_back_takes_the_mark_and_a_rebuild_gives_it_back(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    contract = pipeline.root / "contract.toml"
    text = (PROJECT / "sql/contract.toml").read_text()
    pipeline.settings = {"CONTRACT_PATH": str(contract), "MAX_UPDATED_ROWS": "1"}
    contract.write_text(text.replace("[columns.rating]", '[columns.rating]\nvalues = { PG = "R" }'))
    source = pipeline.put(catalogue(*map(title, range(1, 42))))
    assert is_marked(pipeline)
    done = pipeline.all_steps(NETFLIX_CSV=source, MAX_UPDATED_PCT="0")
    assert done.returncode == 20, done
    assert not is_marked(pipeline), done.stderr  # the replay was undone, its bytes are there
    contract.write_text(text)
    assert pipeline.step(REBUILD).returncode == 0
    assert is_marked(pipeline)
    assert pipeline.all_steps(NETFLIX_CSV=source, **SETTINGS).returncode == 0
    assert is_marked(pipeline)
    batch = pipeline.batches()[-1]["batch_id"]
    assert pipeline.step(WITHDRAW, "withdraw", batch).returncode == 0
    assert not is_marked(pipeline)
