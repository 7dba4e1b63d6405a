"""The real catalogue of two winters, whose differences are known, and the edition after them.

Needs NETFLIX_REAL_DATA, the folder with the three files.
"""

import re

import duckdb
import pytest
from conftest import LANDING, Pipeline

DAYS = {
    "netflix_titles_2019-11.csv": "2019-11-30",
    "netflix_titles_2020-01.csv": "2020-01-18",
    "netflix_titles.csv": "2021-09-26",
}
OLDER, NEWER, RENUMBERED = DAYS
HISTORY = ("analytics_netflix_history", "ops_merges", "cdc_netflix_changes")
COUNTS = (
    "SELECT previous_rows, inserted, reappeared, updated, deleted, unchanged, filled, carried, "
    "current_rows, accepted FROM ops_merges ORDER BY snapshot_at"
)
FIRST = (0, 5837, 0, 0, 0, 0, 0, 0, 5837, False)
SECOND = (5837, 397, 0, 631, 0, 5206, 0, 0, 6234, False)
THIRD = (6234, 2926, 0, 1383, 350, 4499, 0, 2, 8810, False)  # by title


def land(pipeline: Pipeline, folder, name: str):
    """02 to 05 on a file of the folder, as the snapshot of its day."""
    source = {"NETFLIX_CSV": str(folder / name), "SNAPSHOT_AT": DAYS[name]}
    landed = pipeline.steps(*LANDING, **source)
    assert landed.returncode == 0, landed.stderr


def loaded(folder, root, *names: str) -> Pipeline:
    """A pipeline that took the files in, one night after the other."""
    pipeline = Pipeline(root, {"DUCKDB_THREADS": ""})  # as many as there are cores
    for name in names:
        land(pipeline, folder, name)
        done = pipeline.step("06_merge_cdc")
        assert (done.returncode, done.stderr) == (0, "")
    return pipeline


@pytest.fixture(scope="module")
def in_order(real_data, tmp_path_factory) -> Pipeline:
    return loaded(real_data, tmp_path_factory.mktemp("in_order"), OLDER, NEWER)


@pytest.mark.slow
def test_the_real_pair_gives_the_known_counts(in_order):
    assert in_order.query(COUNTS) == [FIRST, SECOND]
    assert in_order.query(
        "SELECT CAST(changed_at AS VARCHAR), operation, column_name, count(*) "
        "FROM cdc_netflix_changes GROUP BY ALL ORDER BY 1, 2"
    ) == [
        ("2019-11-30 00:00:00", "insert", None, 5837),
        ("2020-01-18 00:00:00", "insert", None, 397),
        ("2020-01-18 00:00:00", "update", "date_added", 631),
    ]
    assert in_order.query(
        "SELECT operation, end_operation, is_current, count(*) FROM analytics_netflix_history "
        "GROUP BY ALL ORDER BY 4"
    ) == [
        ("insert", "update", False, 631),
        ("update", None, True, 631),
        ("insert", None, True, 5837 - 631 + 397),
    ]


@pytest.mark.slow
def test_the_real_pair_again_changes_nothing(in_order, real_data, tmp_path):
    again = Pipeline(tmp_path).copy_of(in_order)
    before, data = again.tables(), again.digests()
    for name in (NEWER, OLDER):
        land(again, real_data, name)
        done = again.step("06_merge_cdc")
        assert (done.returncode, "is merged already" in done.stdout) == (0, True)
    assert (again.tables(), again.digests()) == (before, data)


@pytest.mark.slow
def test_the_real_pair_in_the_opposite_order_gives_the_same_rows(in_order, real_data, tmp_path):
    opposite = loaded(real_data, tmp_path, NEWER, OLDER)
    found, expected = opposite.tables(), in_order.tables()
    assert {name: found[name] for name in HISTORY} == {name: expected[name] for name in HISTORY}
    assert opposite.step("10_rebuild_warehouse", "--verify").returncode == 0


@pytest.mark.slow
def test_the_renumbered_edition_is_stopped_and_passes_by_title(in_order, real_data, tmp_path):
    pipeline = Pipeline(tmp_path).copy_of(in_order)
    land(pipeline, real_data, RENUMBERED)
    before = pipeline.tables()
    stopped = pipeline.step("06_merge_cdc")
    assert stopped.returncode == 20
    assert stopped.stderr.startswith(
        "merge     stopped: show_id was renumbered: 5,886 of 6,234 titles came under another "
        "id. CDC_KEY=title merges such a source by title, type and year.\n"
        "  'Stripes': 1008581 is now s8106\n"
    )
    assert pipeline.tables() == before

    done = pipeline.step("06_merge_cdc", CDC_KEY="title")
    assert done.returncode == 0, done.stderr
    assert "1 record(s) of 20210926T000000Z-e0a8c6a8de99 could be several titles" in done.stderr
    assert pipeline.query(COUNTS) == [FIRST, SECOND, THIRD]


@pytest.mark.slow
def test_the_three_editions_by_title_are_published_night_by_night(real_data, tmp_path):
    pipeline = Pipeline(tmp_path, {"CDC_KEY": "title", "FRESHNESS_DAYS": "36500"})
    for name, day in DAYS.items():
        source = {"NETFLIX_CSV": str(real_data / name), "SNAPSHOT_AT": day}
        night = pipeline.all_steps(**source)
        if night.returncode == 20:
            accepted = re.search(r"ACCEPT=(\w+)", night.stderr).group(1)
            night = pipeline.all_steps(**source, ACCEPT=accepted)
        assert night.returncode == 0, night.stderr
        published = pipeline.steps("08_build_analytics", "09_publish", **source)
        assert published.returncode == 0, published.stderr
    assert pipeline.query(COUNTS) == [FIRST, SECOND, THIRD]
    copy = str(tmp_path / "data/published/netflix.duckdb")
    with duckdb.connect(copy, read_only=True) as con:
        assert con.sql("SELECT count(*) FROM analytics_netflix_current").fetchall() == [(8810,)]
