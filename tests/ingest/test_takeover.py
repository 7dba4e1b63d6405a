"""A data folder and a warehouse that f448aaa made (support/record_older.py) are taken over."""

import json
import tarfile
from pathlib import Path

import pytest
from conftest import CHAIN, Pipeline, catalogue, title

from ingest.records import SEAL_BYTES, compute_seal

RAW, LOAD, REBUILD = "02_create_raw_layer", "03_load_raw_to_duckdb", "10_rebuild_warehouse"
RECORDED = Path(__file__).with_name("f448aaa.tar.xz")
DECIDED = [
    ("20200103T000000Z-8cda6052d9e6", "refused"),
    ("20200103T000000Z-8cda6052d9e6", "passed"),
    ("20200105T000000Z-65aea0ff1408", "refused"),
    ("20200105T000000Z-65aea0ff1408", "accepted"),
    ("20200107T000000Z-6c0f2b1c7dba", "refused"),
]
TABLES = ("analytics_netflix_history", "cdc_netflix_changes", "ops_merges")


@pytest.fixture
def older(pipeline: Pipeline) -> Pipeline:
    with tarfile.open(RECORDED) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        tar.extractall(pipeline.root)
    return pipeline


def content(pipeline: Pipeline, columns: dict[str, str]) -> dict[str, list[tuple]]:
    return {
        table: sorted(pipeline.query(f"SELECT {names} FROM {table}"), key=repr)
        for table, names in columns.items()
    }


def columns_of(pipeline: Pipeline) -> dict[str, str]:
    """The columns that each table has now."""
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    found = pipeline.query(query)
    return {
        table: ", ".join(f'"{column}"' for name, column in found if name == table)
        for table in TABLES
    }


@pytest.mark.slow
def test_data_of_release_f448aaa_is_taken_over_with_its_history(older):
    columns = columns_of(older)
    before = content(older, columns)
    assert [len(before[table]) for table in TABLES] == [83, 137, 6]
    done = older.steps(*CHAIN[1:5])
    assert (done.returncode, "deletes 22 of 27" in done.stderr) == (20, True), done.stderr
    assert content(older, columns) == before
    decided = older.decisions()
    assert decided[: len(DECIDED)] == DECIDED
    assert {verdict for _, verdict in decided[len(DECIDED) :]} == {"passed"}
    (older.root / "dw.db").unlink()
    assert older.step(REBUILD, MAX_DELETED_ROWS="0", MAX_UPDATED_ROWS="0").returncode == 0
    assert content(older, columns) == before
    night = catalogue(*(title(number) for number in range(25, 51)))
    done = older.steps(
        *CHAIN[:5], NETFLIX_CSV=older.put(night), SNAPSHOT_AT="2020-01-08", FRESHNESS_DAYS="36500"
    )
    assert done.returncode == 0, done.stderr
    assert older.query("SELECT count(*) FROM ops_merges") == [(7,)]


def test_records_of_a_newer_release_stop_every_run_and_nothing_gives_them_up(older):
    assert older.step(LOAD).returncode == 0
    path = sorted((older.root / "data/raw/snapshots").glob("*.json"))[0]
    body = json.dumps({"format": 2} | json.loads(path.read_bytes()[:-SEAL_BYTES] + b"}")).encode()[
        :-1
    ]
    path.write_bytes(body + compute_seal(body))
    for step in (RAW, LOAD, REBUILD):
        found = older.step(step, NETFLIX_CSV=older.put(catalogue(title(1))))
        assert (found.returncode, found.stdout) == (40, "")
        assert f"{path} was written by a newer release" in found.stderr
        assert "ACCEPT" not in found.stderr
