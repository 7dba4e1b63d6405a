"""The same pipeline on DuckDB and on another engine, and what must be the same in both."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import LANDING, PROJECT, Pipeline

from config import load_settings
from engines.migrate import normalise_number

LAUNCHER = Path(__file__).with_name("killed.py")
LIMITS = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}  # the tests' files are old
STEPS = (*LANDING, "06_merge_cdc", "07_monitor_pipeline", "08_build_analytics")
# What must be the same on every engine. Not here: raw and ops tables that hold times of the run,
# and staging_records with the engine's own hash of each record.
COMPARED = (
    "analytics_netflix_current", "analytics_netflix_history", "cdc_netflix_changes",
    "staging_netflix_titles", "staging_netflix_quarantine", "staging_repairs",
    "staging_lost_in_cast", "ops_merges", "ops_metrics", "ops_ambiguous_matches", "dim_title",
    "dim_date", "dim_country", "dim_genre", "dim_rating", "dim_person", "fact_title_catalog",
    "bridge_title_country", "bridge_title_genre", "bridge_title_cast", "bridge_title_director",
    "kpi_movies_vs_tv", "kpi_titles_by_year", "kpi_titles_by_country", "kpi_titles_by_rating",
    "kpi_top_genres", "kpi_genres_over_time", "kpi_country_recent_growth", "kpi_catalog_changes",
    "kpi_last_changes", "kpi_additions_by_month", "kpi_duration_by_type", "kpi_top_people",
)  # fmt: skip


@dataclass
class Elsewhere(Pipeline):
    """A pipeline whose warehouse is on another engine."""

    @contextmanager
    def warehouse(self) -> Iterator:
        from warehouse import database

        con = database.open_warehouse(load_settings(self.environment))
        try:
            yield con
        finally:
            con.close()

    def killed(self, name: str, before_write: int) -> subprocess.CompletedProcess:
        """Run a step in a process that SIGKILL ends before its n-th write, from 1; see killed.py.

        One that has fewer writes ends by itself.
        """
        script = str(PROJECT / "python" / f"{name}.py")
        return self.python(str(LAUNCHER), script, KILL_BEFORE_WRITE=str(before_write))

    def query(self, sql: str) -> list[tuple]:
        with self.warehouse() as con:
            return con.execute(sql).fetchall()

    def content(self, *names: str) -> dict[str, list[tuple]]:
        """The rows of tables and views (default: all that are compared), normalised and sorted."""
        with self.warehouse() as con:
            return {name: normalised(con, name) for name in names or COMPARED}


def normalised(con, name: str) -> list[tuple]:
    """The rows as values of Python, in one order: numbers with a fraction to nine digits."""
    rows = con.execute(f"SELECT * FROM {name}").fetchall()
    names = [column[0].lower() for column in con.description]
    order = sorted(range(len(names)), key=names.__getitem__)
    return sorted((tuple(normalise_number(row[at]) for at in order) for row in rows), key=repr)


@dataclass
class Both:
    duckdb: Elsewhere
    other: Elsewhere

    def run(self, content: bytes | str, at: str, *names: str, code: int = 0, **settings: str):
        """Run steps (default: 02 to 08) of both on a file; their outcome is the same.

        The result is that of the engine's last step.
        """
        results = []
        for pipeline in (self.duckdb, self.other):
            source = pipeline.put(content)
            given = {"NETFLIX_CSV": source, "SNAPSHOT_AT": at, **settings}
            results.append(pipeline.steps(*(names or STEPS), **given))
        expected, found = results
        assert (found.returncode, expected.returncode) == (code, code), found.stderr
        assert messages(found) == messages(expected)
        return found

    def assert_equal(self, *names: str) -> None:
        expected, found = self.duckdb.content(*names), self.other.content(*names)
        for name, rows in expected.items():
            assert found[name] == rows, name


def side_by_side(folder: Path, settings_in: Callable[[Path], dict[str, str]]) -> Both:
    """Two new pipelines below a folder: on DuckDB, and with the settings for its own folder."""
    duck, other = folder / "duckdb", folder / "other"
    for root in (duck, other):
        root.mkdir()
    return Both(Elsewhere(duck, dict(LIMITS)), Elsewhere(other, LIMITS | settings_in(other)))


def messages(result) -> list[str]:
    """What a step told a person, without paths, times and what is true of DuckDB alone."""
    text = result.stdout + result.stderr
    text = text.replace("See it with `make plan`; if", "If").replace("Nothing was changed.", "")
    text = re.sub(r"On \w+ a merge may be half done; the next run undoes it\.", "", text)
    lines = text.splitlines()
    return [line.split(" s  ")[-1] for line in lines if "/" not in line]
