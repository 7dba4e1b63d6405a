"""Staged rows are in files next to the warehouse: found damaged, built again, moved, never lost."""

import os
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import LANDING, Pipeline, catalogue, title

from config import load_settings
from staging import files
from warehouse.database import connect, literal

STAGING, MERGE, MONITOR = "05_run_staging_sql", "06_merge_cdc", "07_monitor_pipeline"
LOAD = "03_load_raw_to_duckdb"
QUARANTINE, TITLES = "staging_netflix_quarantine", "staging_netflix_titles"
LOOSE = {"MAX_DELETED_PCT": "100", "MAX_INSERTED_PCT": "100", "NEWEST_TITLE_DAYS": "36500"}
NIGHTS = {
    1: [title(number) for number in range(1, 41)],
    2: [title(1, rating="R"), *[title(number) for number in range(2, 43)]],
    3: [title(1, rating="R"), title(2, type="Game"), *map(title, range(3, 40))],
}


def land(pipeline: Pipeline, day: int, *more: str) -> None:
    """Run 02 to 05, and more, on the titles of that day."""
    settings = LOOSE | {"SNAPSHOT_AT": f"2024-06-0{day}", "FRESHNESS_DAYS": "36500"}
    source = pipeline.put(catalogue(*NIGHTS[day]))
    done = pipeline.steps(*LANDING, *more, NETFLIX_CSV=source, **settings)
    assert done.returncode == 0, done.stderr


def staged(pipeline: Pipeline) -> dict[str, list[tuple]]:
    """What the views show, without where a row is kept and when a record was quarantined first."""
    queries = {name: f"FROM {name}" for name in (TITLES, "staging_lost_in_cast", "staging_counts")}
    queries[QUARANTINE] = f"SELECT * EXCLUDE (first_seen_at) FROM {QUARANTINE}"
    queries["records"] = "SELECT * EXCLUDE (record_id, batch_id) FROM staging_records"
    return {name: sorted(pipeline.query(query), key=repr) for name, query in queries.items()}


def listed(pipeline: Pipeline) -> list[str]:
    return sorted(path.name for path in (pipeline.root / "dw.db.staging").iterdir())


def damage(path: Path, how: str) -> None:
    good = path.read_bytes()
    middle = len(good) // 2
    if how == "missing":
        path.unlink()
    elif how == "folder":
        shutil.rmtree(path.parent)
    else:
        bit = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
        path.write_bytes({"emptied": b"", "cut": good[:-1], "bit": bit}[how])


def test_even_a_small_file_and_what_is_staged_of_it_is_for_several_threads(pipeline):
    """A thread reads a group of rows."""
    titles = [title(number) for number in range(6_000)]
    done = pipeline.land(catalogue(*titles), MAX_INSERTED_ROWS="10000")
    assert done.returncode == 0, done.stderr
    (raw,) = (pipeline.root / "data/raw/snapshots").glob("*.parquet")
    (part,) = (pipeline.root / "dw.db.staging").glob("*.staging_parts.parquet")
    for path in (raw, part):
        rows = duckdb.sql(f"SELECT num_rows, num_row_groups FROM parquet_file_metadata('{path}')")
        assert rows.fetchall() in ([(6_000, groups)] for groups in (2, 3)), path


def test_each_night_adds_the_rows_that_are_new(pipeline):
    land(pipeline, 1, MERGE)
    land(pipeline, 2, MERGE)
    rows = dict(pipeline.query("SELECT record_id >> 40, count(*) FROM staging_parts GROUP BY 1"))
    assert rows == {1: 40, 2: 3}  # one changed, two are new
    assert pipeline.query("SELECT count(*), count(DISTINCT source_line) FROM staging_lines") == [
        (42, 42)
    ]
    named = [name for (name,) in pipeline.query("SELECT file_name FROM staging_files")]
    assert {*named} < {*listed(pipeline)}  # the files of the first night stay until the next
    land(pipeline, 3)
    assert {*listed(pipeline)} - {
        n for (n,) in pipeline.query("SELECT file_name FROM staging_files")
    } == {name for name in named if "parts" not in name}
    before = staged(pipeline)
    assert pipeline.step(STAGING, "--full").returncode == 0
    assert staged(pipeline) == before
    assert pipeline.query("SELECT DISTINCT record_id >> 40 FROM staging_parts") == [(4,)]


def test_too_many_parts_become_one(pipeline, loaded_once, monkeypatch):
    pipeline.copy_of(loaded_once)
    monkeypatch.setattr("staging.build.MOST_PARTS", 2)
    parts = []
    for day in (1, 2):
        source = pipeline.put(catalogue(*map(title, range(1, 41 + day))))
        assert pipeline.steps(*LANDING, NETFLIX_CSV=source).returncode == 0
        parts += pipeline.query(
            "SELECT list(DISTINCT record_id >> 40 ORDER BY 1) FROM staging_parts".replace(
                "ORDER BY 1", "ORDER BY record_id >> 40"
            )
        )
    assert parts == [([1, 2],), ([3],)]
    assert files.MOST_PARTS > 2


@pytest.mark.parametrize(
    ("view", "how"),
    [
        ("staging_parts", "bit"),
        *(
            pytest.param(view, how, marks=pytest.mark.slow)
            for view in ("staging_parts", "staging_lines", QUARANTINE, "staging_lost_in_cast")
            for how in ("missing", "emptied", "cut", "bit", "folder")
        ),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_found_and_built_again(
    pipeline, loaded_once, view, how
):
    pipeline.copy_of(loaded_once)
    pipeline.settings = {"NEWEST_TITLE_DAYS": "36500"}
    before, history = staged(pipeline), pipeline.query("FROM analytics_netflix_history")
    why = pipeline.step("11_explain_title", "s1")
    assert (why.returncode, why.stderr) == (0, "")
    path = next((pipeline.root / "dw.db.staging").glob(f"*.{view}.parquet"))
    damage(path, how)
    audit = pipeline.step(MONITOR)
    assert audit.returncode == 2
    assert f"{view}.parquet is " in audit.stderr or how == "folder"
    assert "`make staging`" in audit.stderr
    again = pipeline.steps(LOAD, STAGING)
    assert (again.returncode, again.stderr) == (0, "")
    assert "every record is staged again" in again.stdout
    assert staged(pipeline) == before
    assert pipeline.steps(MERGE, MONITOR).returncode == 0
    assert pipeline.query("FROM analytics_netflix_history") == history


@pytest.mark.slow
@pytest.mark.parametrize("step", [STAGING, MERGE])
def test_a_changed_value_reaches_no_history(pipeline, step):
    """The rows that the next night would keep, or merge, are of another file of the same size."""
    land(pipeline, 1, MERGE)
    land(pipeline, 2, *([MERGE] if step == STAGING else []))
    for path in (pipeline.root / "dw.db.staging").glob("*staging_parts.parquet"):
        damage(path, "bit")
    if step == STAGING:
        land(pipeline, 3)
    else:
        done = pipeline.step(MERGE, **LOOSE)
        assert (done.returncode, "every record is staged again" in done.stdout) == (0, True)
    before = staged(pipeline)
    assert pipeline.step(STAGING, "--full").returncode == 0
    assert staged(pipeline) == before
    assert pipeline.step(MERGE, **LOOSE).returncode == 0
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0


def test_moved_with_its_warehouse_it_is_staging_as_before(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    done = pipeline.steps(LOAD, STAGING)
    assert done.stdout.endswith("as before\n"), done.stdout
    views = pipeline.query("SELECT sql FROM duckdb_views() WHERE sql LIKE '%read_parquet%'")
    assert len(views) == 5
    assert all(str(pipeline.root) in definition for (definition,) in views)


def test_staging_of_an_older_version_is_taken_over(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    pipeline.hold_staging()
    done = pipeline.land(catalogue(*map(title, range(1, 43))))
    assert (done.returncode, done.stderr) == (0, "")
    assert pipeline.query("SELECT count(*) FROM staging_netflix_titles") == [(42,)]
    tables = {name for (name,) in pipeline.query("SELECT table_name FROM duckdb_tables()")}
    assert not tables & {"staging_records", "staging_lines", QUARANTINE, "staging_lost_in_cast"}


def test_a_staging_that_is_refused_leaves_no_file(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    before, rows = listed(pipeline), staged(pipeline)
    done = pipeline.land(catalogue(*(title(number, type="Game") for number in range(1, 41))))
    assert done.returncode == 20, done
    assert (listed(pipeline), staged(pipeline)) == (before, rows)


def test_the_names_of_files_say_what_is_in_them(loaded_once):
    with duckdb.connect() as con:
        for path in (loaded_once.root / "dw.db.staging").iterdir():
            number, view, _ = path.name.split(".")
            assert (int(number), con.execute(f"DESCRIBE FROM '{path}'").fetchone()[0]) == (
                1,
                {"staging_parts": "record_id", "staging_lines": "record_id"}.get(view, "batch_id"),
            )


def test_what_replaces_a_file_is_filtered_by_its_own_statistics(tmp_path):
    """As where one session stages several snapshots: the same name, inode, size and second."""
    path, other = tmp_path / "rows.parquet", tmp_path / "other.parquet"
    settings = load_settings({"WAREHOUSE_PATH": str(tmp_path / "dw.db")})
    con = connect(":memory:", settings, [tmp_path])
    for number in range(10, 14):
        con.execute(f"COPY (SELECT '{number}' AS number) TO {literal(other)} (FORMAT parquet)")
        path.write_bytes(other.read_bytes())
        os.utime(path, (1_700_000_000, 1_700_000_000))
        con.show_parquet("rows", path)
        assert con.execute(f"FROM rows WHERE number = '{number}'").fetchall() == [(str(number),)]
