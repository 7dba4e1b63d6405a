"""A value changed around the pipeline: the next night finds it, and publishes nothing."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, Pipeline, catalogue, title
from faults import Driver, Trial
from scene import published, words

from analytics.star_schema import TABLES
from warehouse.places import find_staging

AREA = "a value changed around the pipeline"
HISTORY = "analytics_netflix_history"
STAYS = "show_id = 's5'"  # the second night does not change this title
OTHER = {  # type -> another value of it, never NULL
    "VARCHAR": "coalesce({0}, '') || 'x'",
    "BOOLEAN": "NOT coalesce({0}, false)",
    "DATE": "coalesce({0}, DATE '2000-01-01') + 1",
    "TIMESTAMP": "coalesce({0}, TIMESTAMP '2000-01-01') + INTERVAL 1 HOUR",
}
WAYS_OUT = {  # the command that a message names -> its script
    "make rebuild": ["10_rebuild_warehouse"],
    "make analytics FULL=1": ["08_build_analytics", "--full"],
}
MERGES = "ops_merges"
NOT_COMPARED = {"accepted", "tracked_columns"}  # of a merge: no version says them


def records(*numbers: int, **values: str) -> str:
    lists = {"cast": "Ann, Bo", "director": "Cy, Di", "country": "Norway, Japan"}
    return catalogue(*(title(n, **lists) for n in numbers), title(0, **lists, **values))


@pytest.fixture(scope="module")
def first_night(tmp_path_factory) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("first"), {"FRESHNESS_DAYS": "36500"})
    pipeline.settings |= {"NEWEST_TITLE_DAYS": "36500", "MAX_RUN_AGE_HOURS": "99999"}
    source = pipeline.put(records(*range(1, 9)))
    done = pipeline.process("run_all", NETFLIX_CSV=source, SNAPSHOT_AT="2022-01-01")
    assert done.returncode == 0, done.stderr
    return pipeline


@pytest.fixture(scope="module")
def driver():
    with Driver() as driver:
        yield driver


class Night:
    """The second night, again and again on what the first one left."""

    def __init__(self, root: Path, first: Pipeline, driver: Driver) -> None:
        self.pipeline, self.first, self.driver = Pipeline(root), first, driver
        source = self.pipeline.put(records(*range(2, 10), rating="R"), "second.csv")
        more = {"NETFLIX_CSV": source, "SNAPSHOT_AT": "2022-01-02"}
        self.pipeline.settings = first.settings | more

    def put_back(self) -> None:
        for place in self.pipeline.root.iterdir():
            if place.name != "second.csv":
                shutil.rmtree(place) if place.is_dir() else place.unlink()
        self.pipeline.copy_of(self.first)

    def run(self, script: str = "run_all") -> Trial:
        return self.driver.run(script, self.pipeline.environment)

    def repair(self, trial: Trial, expected: object) -> str:
        """Run the command that the message names, and the night again; return the command."""
        command = next(command for command in WAYS_OUT if command in trial.stderr)
        done = self.pipeline.step(*WAYS_OUT[command])
        assert done.returncode == 0, (trial, done)
        again = self.run()
        assert again.returncode == 0, (trial, again)
        assert self.published() == expected, trial
        return command

    def published(self) -> dict[str, object]:
        """What readers see, without what an audit measures: one that failed is no good night."""
        found = published(self.pipeline.root / "data/published")
        return {name: value for name, value in found.items() if name != "ops_metrics"}

    def execute(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.pipeline.root / "dw.db")) as con:
            return con.execute(sql).fetchall()

    def plant(self, table: str, column: str, kind: str) -> None:
        """Change a value in one row."""
        value = OTHER.get(kind, "coalesce({0}, 0) + 1").format(f'"{column}"')
        where = {
            HISTORY: STAYS,
            "fact_title_catalog": f"title_key IN (SELECT title_key FROM dim_title WHERE {STAYS})",
        }.get(table, f"rowid = (SELECT max(rowid) FROM {table})")
        changed = self.execute(f'UPDATE {table} SET "{column}" = {value} WHERE {where}')
        assert changed == [(1,)], (table, column)


def change_staged(path: Path, column: str) -> int:
    """Write a file of staging again, with another value; return in how many titles."""
    value = {"release_year": "2001"}.get(column, f"\"{column}\" || 'x'")
    with duckdb.connect() as con:
        con.execute("CREATE TABLE rows AS FROM read_parquet(?)", [str(path)])
        differs = f'{STAYS} AND "{column}" IS DISTINCT FROM {value}'
        con.execute(f'UPDATE rows SET "{column}" = {value} WHERE {differs}')
        changed = con.fetchone()[0]
        con.execute(f"COPY rows TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return changed


@pytest.fixture
def night(tmp_path, first_night, driver) -> Night:
    return Night(tmp_path, first_night, driver)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, first_night, driver) -> object:
    """What the second night publishes if nobody meddles."""
    night = Night(tmp_path_factory.mktemp("good"), first_night, driver)
    night.put_back()
    assert night.run().returncode == 0
    return night.published()


@pytest.mark.slow
@pytest.mark.parametrize("table", [HISTORY, *TABLES, MERGES])
def test_a_value_changed_in_the_warehouse_is_never_published(night, report, expected, table):
    """Each column of the history, the star schema, its sums, and of the records of merges."""
    night.put_back()
    columns = night.execute(
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{table}'"
    )
    assert columns
    way_out = ""
    for column, kind in columns:
        if column in NOT_COMPARED:
            continue
        night.put_back()
        before = night.published()
        night.plant(table, column, kind)
        trial = night.run()
        if trial.returncode == 0:  # what the record says was merged another way is merged again
            assert (table, night.published()) == (MERGES, expected), column
            found, after = "merge", "built again from the snapshots"
        else:
            stopped = re.search(r"^(\w+) +stopped: .*", trial.stderr, re.MULTILINE)
            assert stopped, (column, trial)
            assert night.published() == before, (column, trial)
            way_out = way_out or night.repair(trial, expected)
            assert way_out in trial.stderr, (column, trial)
            found, after = stopped[1], f"not published; `{way_out}` brings it level"
        where = f"{table}: found by {found}"
        report(
            AREA,
            "a value in the warehouse, between two nights",
            where,
            words(trial),
            trial.returncode,
            after,
        )


@pytest.mark.slow
@pytest.mark.parametrize("column", ["title", "business_key", "row_hash", "release_year"])
@pytest.mark.parametrize("before", ["02", "06", "07"])
def test_a_value_changed_in_staging_reaches_no_reader(night, report, expected, column, before):
    """Between two nights, before the merge, and after it: `make monitor` finds it at the latest."""
    night.put_back()
    for step in CHAIN[: [name[:2] for name in CHAIN].index(before)]:
        assert night.run(step).returncode == 0
    parts = find_staging(night.pipeline.root / "dw.db").glob("*.staging_parts.parquet")
    assert sum(change_staged(path, column) for path in parts)
    trial = night.run("07_monitor_pipeline" if before == "07" else "run_all")
    if before == "07":
        code, found, says = 2, "monitor", "`make staging` builds it again"
        assert night.run("05_run_staging_sql").returncode == 0
        assert night.run().returncode == 0
    else:
        code, found, says = 0, "staging", "is damaged: every record is staged again"
    assert (trial.returncode, says in trial.stdout + trial.stderr) == (code, True), trial
    assert night.published() == expected, trial
    report(
        AREA,
        f"a value in a file of staging, before step {before}",
        f"{column}: found by {found}",
        f"<file> {says}",
        code,
        "staged again from raw",
    )
