"""A year of nights: the history is the model's, and nothing grows that should not.

The model of SCD type 2 is that of tests/support/scd2_model.py, which shares no line
with the product; the nights here go all the way, through files and every step.
"""

import datetime as dt
import statistics
import time
from collections import defaultdict
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from conftest import CHAIN, Pipeline, catalogue
from scd2_model import CHANGES, HISTORY, MERGES, POOLS, Day, Model

from runner import log

BUILD = ("08_build_analytics", "09_publish")
FIRST = dt.datetime(2025, 1, 1, 3)
TITLES, KEEP, LOG_BYTES = 150, 3, 20_000
SETTINGS = {
    "NEWEST_TITLE_DAYS": "36500",
    "FRESHNESS_DAYS": "36500",
    "MAX_LOST_IN_CAST_ROWS": "1000",
    "PUBLISH_KEEP": str(KEEP),
}


class Catalogue:
    """So many titles; each night some change, some go, some come back and some are new."""

    def __init__(self, random: Random, count: int) -> None:
        self.random, self.titles, self.gone, self.born = random, {}, {}, 0
        for _ in range(count):
            self.add()

    def add(self) -> None:
        self.born += 1
        row = {name: self.random.choice(pool)[0] for name, pool in POOLS.items()}
        self.titles[f"s{self.born}"] = row | {"title": f"{row['title']} {self.born}"}

    def night(self) -> Day:
        pick = self.random.sample
        for key in pick(sorted(self.titles), self.random.randrange(6)):
            column = self.random.choice([name for name in POOLS if name != "title"])
            self.titles[key] |= {column: self.random.choice(POOLS[column])[0]}
        for key in pick(sorted(self.titles), self.random.randrange(3)):
            self.gone[key] = self.titles.pop(key)
        for key in pick(sorted(self.gone), min(len(self.gone), self.random.randrange(2))):
            self.titles[key] = self.gone.pop(key)
        while len(self.titles) < TITLES:
            self.add()
        rows = [{"show_id": key} | row for key, row in self.titles.items()]
        self.random.shuffle(rows)
        return Day(rows)


def size(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if not p.is_symlink()]
    return sum(file.stat().st_size for file in files if file.is_file())


def live(pipeline: Pipeline, number: int, day: Day, builds: bool, seconds: dict) -> None:
    """One night: a file comes, every step runs, each in so many seconds of CPU time."""
    rows = [{name: value or "" for name, value in row.items()} for row in day.rows]
    settings = {
        "NETFLIX_CSV": pipeline.put(catalogue(*rows)),
        "SNAPSHOT_AT": str(FIRST + dt.timedelta(days=number)),
    }
    for name in (*CHAIN, *(BUILD if builds else ())):
        begun = time.process_time()
        done = pipeline.step(name, **settings)
        seconds[name].append(time.process_time() - begun)
        assert done.returncode == 0, (number, name, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("nights", [10, 365])
def test_so_many_nights_give_the_models_history_and_stay_small(pipeline, report, nights):
    pipeline.settings |= SETTINGS
    made_up, model, seconds = Catalogue(Random(nights), TITLES), Model(), defaultdict(list)
    published, sizes = pipeline.root / "data/published", {}
    with mock.patch.object(log, "LOG_BYTES", LOG_BYTES):
        for number in range(nights):
            day = made_up.night()
            builds = number == 9 or number % 30 == 29 or number == nights - 1
            live(pipeline, number, day, builds, seconds)
            batch = pipeline.batches()[-1]
            model.merge(batch["batch_id"], dt.datetime.fromisoformat(batch["snapshot_at"]), day, {})
            if builds:
                sizes[number + 1] = {
                    "warehouse": size(pipeline.root / "dw.db"),
                    "copy": size((published / "netflix.duckdb").resolve()),
                    "page": size((published / "dashboard.html").resolve()),
                    "logs": size(pipeline.root / "logs"),
                }
                assert len(list((published / "versions").iterdir())) <= KEEP
    assert pipeline.query(HISTORY) == model.rows()
    assert pipeline.query(MERGES) == model.merges
    assert sorted(pipeline.query(CHANGES), key=repr) == model.changes()
    first, last, year = sizes[10], sizes[nights], nights / 365
    rows = dict(
        pipeline.query("SELECT table_name, estimated_size FROM duckdb_tables()"),
    )
    assert rows["ops_runs"] == len(CHAIN) * nights + len(BUILD) * len(sizes)
    assert last["warehouse"] < 2 * first["warehouse"] + 10e6 * year, sizes
    assert last["copy"] < 1.5 * first["copy"] + 10e6 * year, sizes
    assert last["page"] < 1.5 * first["page"], sizes
    # Two logs, each with those put aside, each longer by at most what one step writes.
    assert last["logs"] < 2 * (log.LOG_FILES + 1) * 1.5 * LOG_BYTES, sizes
    status = pipeline.step("operations/status")
    assert (status.returncode, f"{nights} snapshot(s)" in status.stdout) == (0, True)
    if nights == 10:
        return  # the numbers of so few say nothing
    few, audit = 30, seconds[CHAIN[-1]]
    nightly = [sum(times) for times in zip(*(seconds[name] for name in CHAIN), strict=True)]
    took = [f"{statistics.median(part):.2f} s" for part in (
        nightly[1 : few + 1], nightly[-few:], audit[1 : few + 1], audit[-few:]
    )]  # fmt: skip
    grown = ", ".join(f"{n} {first[n] / 1e6:.2f} to {last[n] / 1e6:.2f} MB" for n in first)
    report("nights", f"{nights} nights of {TITLES} titles", "02 to 09, status",
           f"nothing. CPU time of a night (02 to 07) {took[0]} in the first {few}, {took[1]} in "
           f"the last; 07 alone {took[2]}, {took[3]}. {len(model.versions):,} versions; {grown}", 0,
           "new state, the model's history", nights)  # fmt: skip
