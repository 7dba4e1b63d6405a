"""Random histories, which must be those of the model (support/scd2_model.py), row by row.

A night costs a quarter of a second whatever its size, so many histories go side by side in one
catalogue; what is judged as a whole (late files, the guard, the plan) goes alone.
"""

import datetime as dt
import hashlib
import io
import logging
import re
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest import mock

import duckdb
import pandas
import pytest
from histories import History
from scd2_model import (
    AMBIGUOUS,
    AS_OF,
    CHANGES,
    COLUMNS,
    FIRST_DAY,
    HISTORY,
    INVARIANTS,
    MERGES,
    Archive,
    Day,
    Model,
    made_up,
)

from config import PROJECT, Limit, load_settings
from contract import load_contract
from errors import DONE, STOPPED, Refused
from history import merge, withdraw
from history.pending import find_pending
from history.tables import clear_history, create_tables
from ingest.decisions import find_refused
from ingest.manifest import Batch, list_batches
from ingest.state import load_state
from runner.step import Step
from staging import build
from warehouse import database

CONTRACTS = {
    key: load_contract(PROJECT / "sql" / "contract.toml", key) for key in ("show_id", "title")
}
KEYS = tuple(CONTRACTS)
PERCENT = ("max_inserted_pct", "max_updated_pct", "max_deleted_pct")

# --- the product, driven without files ------------------------------------------------------------


def batch_of(number: int, day: Day, **fields: object) -> Batch:
    at = FIRST_DAY + dt.timedelta(days=number)
    columns = [name for name in COLUMNS if name not in day.missing]
    return Batch(
        **{
            "batch_id": f"b{number:02}",
            "snapshot_at": at,
            "landed_at": at,
            "source": "made-up.csv",
            "source_sha256": hashlib.sha256(b"%d" % number).hexdigest(),
            "source_bytes": 1,
            "ends_with_newline": True,
            "etag": None,
            "last_modified": None,
            "parquet": f"b{number:02}.parquet",
            "parquet_sha256": "",
            "rejects": None,
            "rejects_sha256": None,
            "records": len(day.rows) + len(day.rejected),
            "raw_rows": len(day.rows),
            "rejected": len(day.rejected),
            "encoding": "utf-8",
            "repaired_lines": 0,
            "header": columns,
            "columns": columns,
            "versions": {},
        }
        | fields
    )


def load_days(con: duckdb.DuckDBPyConnection, days: list[Day]) -> None:
    """The table all_days: the raw records of all days, and views over the one that is on."""
    named = ", ".join(f'"{name}" VARCHAR' for name in COLUMNS)
    con.execute(f"CREATE OR REPLACE TABLE all_days (day INTEGER, {named}, source_line BIGINT)")
    rows = [
        (number, *(row[name] for name in COLUMNS), line)
        for number, day in enumerate(days)
        for line, row in enumerate(day.rows, 2)
    ]
    columns = ["day", *COLUMNS, "source_line"]  # named also where there are no rows
    con.register("frame", pandas.DataFrame(rows, columns=columns, dtype=object))
    con.execute("INSERT INTO all_days FROM frame")
    con.unregister("frame")
    con.execute(
        "CREATE OR REPLACE VIEW raw_netflix_titles AS "
        "SELECT * FROM all_days WHERE day = getvariable('day')"
    )
    con.execute(
        "CREATE OR REPLACE VIEW contract_netflix_titles AS "
        "SELECT *, 'made-up.csv' AS source_file, 'b' AS batch_id, "
        "CAST(NULL AS BIGINT) AS record_hash FROM raw_netflix_titles"
    )


def with_rejects(con: duckdb.DuckDBPyConnection, folder: Path, number: int, day: Day) -> dict:
    """The rejects file of a day, as step 02 leaves it, and the batch's fields for it."""
    if not day.rejected:
        return {}
    path = folder / f"b{number:02}.rejects.parquet"
    con.execute(
        f"COPY (SELECT unnest(?) AS raw_text) TO {database.literal(path)} (FORMAT parquet)",
        [day.rejected],
    )
    return {"rejects": path.name, "rejects_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def sandbox(folder: Path):
    """Settings for a scratch folder, and a connection that may read and write below it."""
    ours = load_settings(
        {
            "DATA_DIR": str(folder / "data"),
            "WAREHOUSE_PATH": str(folder / "dw.db"),
            "LOG_DIR": str(folder / "logs"),
            "DUCKDB_THREADS": "1",
        }
    )
    ours.snapshots.mkdir(parents=True, exist_ok=True)
    return ours, database.connect(":memory:", ours, [folder])


def compare(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    assert con.execute(HISTORY).fetchall() == model.rows()
    assert con.execute(MERGES).fetchall() == model.merges
    assert con.execute(AMBIGUOUS).fetchall() == model.ambiguous
    check = (PROJECT / "sql/checks/current_equals_staging.sql").read_text()
    assert con.execute(check).fetchall() == []
    broken = {name: found for name, sql in INVARIANTS.items() if (found := con.sql(sql).fetchall())}
    assert broken == {}


def check_history(
    con: duckdb.DuckDBPyConnection,
    ours,
    days: list[Day],
    every: int = 1,
    cdc_key: str = "show_id",
) -> None:
    """Merge the days one by one; the whole version table must be the model's after each.

    It keeps all that ever was: with `every`, it is looked at after so many days and at the end.
    """
    ours, contract = replace(ours, cdc_key=cdc_key), CONTRACTS[cdc_key]
    create_tables(con)
    clear_history(con)
    con.execute("DROP TABLE IF EXISTS staging_netflix_quarantine")
    con.execute("SET VARIABLE last_run_status = 'done'")  # for the check in compare()
    load_days(con, days)
    model = Model(cdc_key == "title")
    as_it_was = {}
    for number, day in enumerate(days):
        batch = batch_of(number, day, **with_rejects(con, ours.snapshots, number, day))
        con.execute("SET VARIABLE day = ?", [number])
        build.build_staging(con, batch, contract)
        merge.merge_batch(con, batch, ours, contract, enforce_limits=False)
        keys = dict(con.execute("SELECT source_line, business_key FROM staging_records").fetchall())
        model.merge(batch.batch_id, batch.snapshot_at, day, keys)
        if number % every == 0 or number == len(days) - 1:
            compare(con, model)
        as_it_was[batch.snapshot_at] = con.execute(AS_OF, [batch.snapshot_at]).fetchall()
        live = sorted((t, *v.values.values(), v.valid_from) for t, v in model.live().items())
        assert as_it_was[batch.snapshot_at] == live
    changes = con.execute(CHANGES).fetchall()
    assert sorted(changes, key=repr) == model.changes()
    for at, live in as_it_was.items():
        assert con.execute(AS_OF, [at]).fetchall() == live, "a later night rewrote it"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    ours, con = sandbox(tmp_path_factory.mktemp("histories"))
    yield con, ours
    con.close()


def check_random_history(place, seed: int, days: int, keys: int, side_by_side: int) -> None:
    """By the one key where the seed is even, by the other where it is odd."""
    key = KEYS[seed % 2]
    made = made_up(Random(seed), keys, days, side_by_side, key == "title")
    check_history(*place, made, cdc_key=key)


@pytest.mark.parametrize("seed", [0, 1])
def test_10_histories_of_6_nights_are_those_of_the_model(place, seed: int) -> None:
    check_random_history(place, seed, days=6, keys=6, side_by_side=5)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(25))
def test_1000_histories_of_8_nights_are_those_of_the_model(place, part: int) -> None:
    """Ten side by side, four times in each of 25 parts."""
    for seed in range(4 * part, 4 * part + 4):
        check_random_history(place, 1000 + seed, days=8, keys=3 + seed % 8, side_by_side=10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_10_histories_of_30_nights_are_those_of_the_model(place, seed: int) -> None:
    check_random_history(place, seed, days=30, keys=50, side_by_side=1)


# --- the order of arrival -------------------------------------------------------------------------


def landed(con: duckdb.DuckDBPyConnection, ours, days: list[Day]) -> list[Batch]:
    """The days as real Parquet snapshots, with the lineage columns of step 02."""
    load_days(con, days)
    batches = []
    for number, day in enumerate(days):
        fields = with_rejects(con, ours.snapshots, number, day)
        batch = batch_of(number, day, **fields)
        path = ours.snapshots / batch.parquet
        columns = ", ".join(f'"{name}"' for name in batch.columns)
        con.execute(
            f"COPY (SELECT {columns}, TIMESTAMP '2020-01-01' AS ingestion_ts, "
            "'made-up.csv' AS source_file, source_line, "
            f"{database.literal(batch.batch_id)} AS batch_id FROM all_days WHERE day = {number}) "
            f"TO {database.literal(path)} (FORMAT parquet)"
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        batches.append(batch_of(number, day, **fields, parquet_sha256=digest))
    return batches


def content(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    tables = ("analytics_netflix_history", "ops_merges", "cdc_netflix_changes")
    return {name: con.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables}


def arrive(con: duckdb.DuckDBPyConnection, ours, groups: list[list[Batch]]) -> dict:
    """Step 06 after each group of arrivals; returns the history's content at the end."""
    contract = CONTRACTS[ours.cdc_key]
    shutil.rmtree(ours.decisions, ignore_errors=True)
    load_state(ours)
    create_tables(con)
    clear_history(con)
    for table in ("staging_netflix_quarantine", "staging_counts"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    step = Step("merge", ours, "test", logging.Logger("test"), con)
    known: list[Batch] = []
    for group in groups:
        is_late = any(one.snapshot_at > new.snapshot_at for one in known for new in group)
        known = sorted([*known, *group], key=lambda one: one.snapshot_at)
        pending = find_pending(con, known, ours, contract)
        assert pending.is_replay == is_late
        merge.merge_pending(step, con, known, contract, pending)
    return content(con)


def cut(random: Random, batches: list[Batch]) -> list[list[Batch]]:
    """The same in groups: several files may wait for one run."""
    groups = [[]]
    for batch in batches:
        if groups[-1] and random.random() < 0.4:
            groups.append([])
        groups[-1].append(batch)
    return groups


def check_arrivals(place, seed: int, orders: int, days: int, side_by_side: int) -> None:
    """So many orders, all different and none that of the days, end in the same content."""
    con, ours = place
    ours = replace(ours, cdc_key=KEYS[seed % 2], **{name: 100.0 for name in PERCENT})
    random = Random(seed)
    made = made_up(random, random.randint(2, 8), days, side_by_side, seed % 2 == 1)
    batches = landed(con, ours, made)
    in_order = arrive(con, ours, [batches])
    tried = [batches]
    while len(tried) <= orders:
        shuffled = random.sample(batches, len(batches))
        if shuffled in tried:
            continue
        tried.append(shuffled)
        groups = cut(random, shuffled)
        assert arrive(con, ours, groups) == in_order, [one.batch_id for one in shuffled]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_order_of_arrival_makes_no_difference(place, seed: int) -> None:
    check_arrivals(place, seed, orders=1, days=3, side_by_side=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_40_histories_in_5_orders_of_arrival_are_one_and_the_same(place, seed: int) -> None:
    """Five histories of 8 nights go side by side, eight times."""
    check_arrivals(place, 100 + seed, orders=5, days=8, side_by_side=5)


# --- late files, ACCEPT, withdraw and restore; each run as it was planned -------------------------

REKEYED = Limit(rows=1, pct=30)  # more is a renumbered source
MERGED = (
    "SELECT inserted + reappeared, updated, deleted, unchanged, filled, carried FROM ops_merges "
    "WHERE batch_id = ?"
)
PLANNED = (
    r"\(([0-9a-f]{12})\) against .*\n"
    r" +\+(\d+) ~(\d+) -(\d+), (\d+) unchanged, (\d+) filled, (\d+) carried"
)
LEFT_OUT = r"snapshot (\S+) is left out"


class Story:
    """One history on both sides; each run is planned before."""

    def __init__(self, folder: Path, key: str, percent: int) -> None:
        limits = {f"MAX_{what}_PCT": str(percent) for what in ("INSERTED", "UPDATED", "DELETED")}
        limits |= {name.replace("_PCT", "_ROWS"): "1" for name in limits}
        limits |= {f"MAX_{what}_PCT": "100" for what in ("QUARANTINED", "LOST_IN_CAST", "REJECTED")}
        self.folder, self.given = folder, limits
        self.history = History(folder, CDC_KEY=key, **limits)
        what = dict.fromkeys(("inserted", "updated", "deleted"), (1, percent))
        self.archive = Archive(key == "title", what | {"moved": (REKEYED.rows, REKEYED.pct)})
        self.batches: dict[int, Batch] = {}

    def land(self, number: int, day: Day) -> None:
        names = [name for name in COLUMNS if name not in day.missing]
        rows = [{name: row[name] for name in names} for row in day.rows]
        batch = self.history.land(rows, number + 1, day.rejected)
        self.batches[number] = batch
        keys = {}
        if "show_id" in day.missing:  # the product makes up keys; here they are asked for
            con, settings = self.history.con, self.history.settings
            con.execute("BEGIN")
            build.load_raw(con, batch, settings)
            build.bind_columns(con, batch, CONTRACTS["title"])
            build.build_staging(con, batch, CONTRACTS["title"])
            query = "SELECT source_line, business_key FROM staging_records"
            keys = dict(con.execute(query).fetchall())
            con.execute("ROLLBACK")
        self.archive.add(number, batch.batch_id, batch.snapshot_at, day, keys)

    def decide(self, verdict: str, number: int) -> None:
        """What `make withdraw` or `make restore` does."""
        settings = self.history.settings
        load_state(settings)
        step = Step(verdict, settings, "test", logging.Logger("test"))
        withdraw.run(step, self.batches[number].batch_id)
        if verdict == "withdraw":
            self.archive.withdrawn.add(number)
        else:
            self.archive.withdrawn.discard(number)

    def run(self, accept: int | None = None) -> int | None:
        """Plan it, run it, compare both and the model; the day at which it stopped."""
        history = self.history
        named = {} if accept is None else {"ACCEPT": self.batches[accept].source_sha256[:12]}
        code, planned = history.plan(**named)
        out, error = io.StringIO(), None
        with redirect_stdout(out), redirect_stderr(out):
            try:
                message = history.merge(**named).message
            except Refused as stop:
                error = str(stop).splitlines()[0]
        stopped = self.archive.run(accept)
        assert (stopped is not None) == bool(error), (stopped, error)
        self.compare()
        assert set(re.findall(LEFT_OUT, planned)) == set(re.findall(LEFT_OUT, out.getvalue()))
        if error:
            assert (code, error in planned) == (STOPPED, True), (error, planned)
            return stopped
        assert code == DONE, planned
        if shown := re.search(PLANNED, planned):
            digest, *counts = shown.groups()
            batch = next(b for b in self.batches.values() if b.source_sha256.startswith(digest))
            merged = history.query(MERGED, [batch.batch_id])
            assert merged == [tuple(map(int, counts))], planned
        else:
            is_replay = "history would be replayed" in planned and "history rebuilt" in message
            is_done = "nothing to do" in planned and "merged already" in message
            assert is_replay or is_done, (planned, message)
        return None

    def compare(self) -> None:
        archive, history = self.archive, self.history
        compare(history.con, archive.model)
        assert sorted(history.query(CHANGES), key=repr) == archive.model.changes()
        batches = list_batches(load_state(history.settings))
        refused = {batch.batch_id for batch in find_refused(history.settings, batches)}
        assert refused == {self.batches[n].batch_id for n in archive.refused}


def tell_story(folder: Path, seed: int, nights: int) -> None:
    """A few files come late; what is refused may be accepted, what was let in withdrawn."""
    random = Random(seed)
    key = KEYS[seed % 2]
    story = Story(folder, key, random.choice((20, 40, 70)))
    days = made_up(random, random.randint(3, 9), nights, by_title=key == "title")
    order = [n for n, day in enumerate(days) if day.rows and day not in days[:n]]
    for _ in range(2):
        late = order.pop(random.randrange(len(order)))
        order.insert(random.randint(0, len(order)), late)
    with mock.patch("history.diff.REKEYED", REKEYED):
        for number in order:
            story.land(number, days[number])
            story.run()
            archive = story.archive
            if (refused := sorted(archive.refused)) and random.random() < 0.5:
                story.run(accept=random.choice(refused))
            in_play = sorted(archive.batches.keys() - archive.withdrawn)
            if random.random() < 0.2 and len(in_play) > 1:
                story.decide("withdraw", random.choice(in_play))
                story.run()
            elif random.random() < 0.3 and archive.withdrawn:
                story.decide("restore", random.choice(sorted(archive.withdrawn)))
                story.run()
    story.history.con.close()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_history_with_late_and_withdrawn_files_is_that_of_the_model(tmp_path, seed: int) -> None:
    tell_story(tmp_path, seed, nights=4)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_100_histories_are_planned_and_judged_as_the_model_says(tmp_path, part: int) -> None:
    for seed in range(5 * part, 5 * part + 5):
        tell_story(tmp_path / str(seed), 1000 + seed, nights=8)
