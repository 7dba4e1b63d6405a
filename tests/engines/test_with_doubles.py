"""What the pipeline says and does on another engine, with DuckDB in the place of that engine."""

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from conftest import CHAIN, Pipeline, catalogue, title

from engines import migrate
from errors import LockedError
from runner.lock import refuse_others
from warehouse.database import DuckDBWarehouse, literal, run_file

SETTINGS = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
READERS = ("11_explain_title", "operations/status")
TOMORROW = f"{datetime.now(UTC) + timedelta(hours=12):%Y-%m-%dT%H:%M:%S}"
ALL = (*CHAIN[1:], "08_build_analytics", "09_publish")


class Double(DuckDBWarehouse):
    """An engine without transactions, which copies files in, like Spark."""

    has_transactions = False

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> None:
        self.con.execute(f"CREATE OR REPLACE TABLE {view} AS FROM read_parquet({literal(path)})")


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("night"), dict(SETTINGS))
    pipeline.settings["NETFLIX_CSV"] = pipeline.put(catalogue(*map(title, range(1, 41))))
    assert pipeline.steps(*CHAIN[:5]).returncode == 0
    return pipeline


def put_in_place_of(monkeypatch, engine: str, file: str) -> None:
    """Let sessions on this engine be connections to a file, or each to a memory of its own."""
    double = SimpleNamespace(connect=lambda _: Double(duckdb.connect(file)))
    monkeypatch.setitem(sys.modules, f"engines.{engine}", double)


@pytest.mark.parametrize("engine", migrate.PLACE)
def test_what_is_gone_in_the_next_session_is_not_moved(night, tmp_path, monkeypatch, engine):
    put_in_place_of(monkeypatch, engine, ":memory:")
    done = night.step("engines/migrate", "--to", engine)
    assert done.returncode == 2, done
    assert f"Set {migrate.PLACE[engine]} to a place that lasts" in done.stderr
    put_in_place_of(monkeypatch, engine, str(tmp_path / "there.db"))
    done = night.step("engines/migrate", "--to", engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("equal") == len(migrate.COMPARED) + 1


@pytest.mark.slow
def test_a_step_that_stops_says_what_is_true_on_another_engine(night, tmp_path, monkeypatch):
    night = Pipeline(tmp_path, night.settings).copy_of(night)
    put_in_place_of(monkeypatch, "spark", str(night.root / "there.db"))
    moved = night.step("engines/migrate", "--to", "spark")
    assert (moved.returncode, "run `make staging` first" in moved.stderr) == (2, True)
    assert night.steps(*CHAIN[1:4]).returncode == 0
    assert night.step("engines/migrate", "--to", "spark").returncode == 0
    few = night.put(catalogue(*map(title, range(1, 4))), "few.csv")
    on_spark = {"WAREHOUSE": "spark", "NETFLIX_CSV": few, "SNAPSHOT_AT": TOMORROW}
    assert night.steps(*CHAIN[:4], **on_spark).returncode == 0
    refused = night.step(CHAIN[4], **on_spark)
    assert refused.returncode == 20 and "\n  If it is right: " in refused.stderr
    monkeypatch.setattr("history.merge.find_changes", lambda *_: 1 / 0)
    crashed = night.step(CHAIN[4], **on_spark)
    assert crashed.returncode == 1
    for done in (refused, crashed):
        assert "On spark a merge may be half done; the next run undoes it." in done.stderr
        assert not re.search("Nothing was changed|rolled back|make plan", done.stderr)


def test_the_lock_is_a_row_that_names_its_holder_and_goes_with_a_run_that_died(
    night, tmp_path, monkeypatch
):
    night = Pipeline(tmp_path, night.settings).copy_of(night)
    file = str(night.root / "there.db")
    put_in_place_of(monkeypatch, "spark", file)
    assert night.step(CHAIN[1], WAREHOUSE="spark").returncode == 0

    def lock_rows(*new: tuple[str, str]) -> list[str]:
        with duckdb.connect(file) as con:
            for row in new:
                con.execute("INSERT INTO run_lock VALUES (?, ?)", row)
            return [holder for (holder,) in con.execute("SELECT holder FROM run_lock").fetchall()]

    here = os.uname().nodename
    assert lock_rows((f"{here} pid 99999999", "2026-01-01")) == [f"{here} pid 99999999"]
    assert night.step(CHAIN[1], WAREHOUSE="spark").returncode == 0
    assert lock_rows(("elsewhere pid 7", "2026-01-01")) == ["elsewhere pid 7"]
    for name in (CHAIN[1], "run_all"):
        done = night.step(name, WAREHOUSE="spark")
        assert done.returncode == 75, done
        assert "elsewhere pid 7 since 2026-01-01 00:00:00 UTC, " in done.stderr
        assert "DELETE FROM run_lock" in done.stderr
    assert lock_rows() == ["elsewhere pid 7"]


def test_two_runs_that_start_at_once_on_an_engine_both_stop(tmp_path):
    con = Double(duckdb.connect())
    run_file(con, "engines/lock.sql")
    for holder in ("one pid 1", "two pid 2"):
        con.execute("INSERT INTO run_lock VALUES (?, now()::TIMESTAMP)", [holder])
    for holder in ("one pid 1", "two pid 2"):
        with pytest.raises(LockedError, match="another run"):
            refuse_others(con, holder)


@pytest.mark.parametrize("name", [*ALL, *READERS])
def test_without_the_packages_of_an_engine_every_script_ends_in_one_sentence(
    pipeline, monkeypatch, name
):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    monkeypatch.delitem(sys.modules, "engines.spark", raising=False)
    monkeypatch.delitem(sys.modules, "engines.base", raising=False)
    done = pipeline.step(name, *(["s1"] if "explain" in name else []), WAREHOUSE="spark")
    assert done.returncode == 2, done
    assert "WAREHOUSE=spark needs what python/engines/requirements/spark.txt lists" in done.stderr
    assert done.stderr.count("\n") == 1
