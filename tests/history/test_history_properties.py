"""Random histories against a model of SCD type 2 that shares no line with the product.

A day is a list of raw records. Their values come from small pools, so that changes, flips back and
conflicting copies are common; each pool says next to the raw text what it means once it is clean.
"""

import datetime as dt
import hashlib
import logging
import os
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from random import Random

import duckdb
import pandas
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config import PROJECT, load_settings
from contract import load_contract
from history import merge
from ingest.manifest import Batch
from runner.step import Step
from staging import build
from warehouse import database

CONTRACT = load_contract(PROJECT / "sql" / "contract.toml")
FIRST_DAY = dt.datetime(2020, 1, 1)
OPTIONAL = ("director", "cast", "country", "rating", "duration", "description")  # come and go

# column -> the raw texts with what they mean; several raw texts may mean the same.
POOLS = {
    "type": [("Movie", "Movie"), ("TV Show", "TV Show"), ("Movie ", "Movie")],
    "title": [("Roma", "Roma"), ("Dark", "Dark"), (" Dark", "Dark"), ("Ozark", "Ozark")],
    "director": [(None, None), ("", None), ("A, B", "A, B"), ("A,B", "A, B"), ("A", "A")],
    "cast": [(None, None), ("C", "C"), ("1:C;", "1:C;")],
    "country": [(None, None), ("India", "India"), ("Peru", "Peru")],
    "date_added": [
        (None, None),
        ("May 1, 2019", dt.date(2019, 5, 1)),
        ("2019-05-01", dt.date(2019, 5, 1)),
        ("May 2, 2019", dt.date(2019, 5, 2)),
        ("some day", None),
    ],
    "release_year": [("2018", 2018), ("2018.0", 2018), ("2019", 2019), (None, None)],
    "rating": [(None, None), ("PG", "PG"), ("R", "R")],
    "duration": [("90 min", "90 min"), ("1 Season", "1 Season"), (None, None)],
    "listed_in": [("Dramas", "Dramas"), ("Dramas, ", "Dramas"), ("Comedies", "Comedies")],
    "description": [("x", "x"), ("x  ", "x"), ("y", "y"), ("", None)],
}
COLUMNS = ("show_id", *POOLS)
BREAKS = (("type", "Podcast"), ("type", None), ("title", " "), ("release_year", "1492"))
CLEAN = {(column, raw): clean for column, pool in POOLS.items() for raw, clean in pool}


@dataclass
class Day:
    """One snapshot: raw records (dicts), the columns that the file lacks, rejected texts."""

    rows: list[dict]
    missing: frozenset = frozenset()
    rejected: list[str] = field(default_factory=list)


def made_up(random: Random, keys: int, days: int, side_by_side: int = 1) -> list[Day]:
    """A history: each day most titles stay, some change, go, come back, break or are doubled.

    With `side_by_side` so many of them in one catalogue, which share neither keys nor titles.
    """
    names = {f"s{number}": f" {number // keys}" for number in range(keys * side_by_side)}
    titles: dict[str, dict] = {}
    found, missing = [], frozenset(name for name in OPTIONAL if random.random() < 0.1)
    for _ in range(days):
        if random.random() < 0.3:
            missing ^= {random.choice(OPTIONAL)}
        restless = random.choice((0.1, 0.4, 0.9))
        rows, rejected = [], []
        for name, suffix in names.items():
            fate = random.random()
            if name not in titles or (fate < restless and random.random() < 0.5):
                titles[name] = {column: random.choice(pool)[0] for column, pool in POOLS.items()}
            elif fate < restless:
                column = random.choice(list(POOLS))
                titles[name] = titles[name] | {column: random.choice(POOLS[column])[0]}
            row = {"show_id": name} | titles[name]
            row["title"] += suffix
            what = random.random()
            if what < 0.60:
                rows.append(row)
            elif what < 0.65:
                column, value = random.choice(BREAKS)
                rows.append(row | {column: value})
            elif what < 0.70:
                rows.append(row | {"show_id": random.choice((None, " "))})
            elif what < 0.75:
                rows += [row, dict(row)]  # an exact copy
            elif what < 0.80:
                column = random.choice(
                    [name for name in POOLS if name != "title"]
                )  # mostly a conflict
                rows += [row, row | {column: random.choice(POOLS[column])[0]}]
            elif what < 0.82:
                rejected.append(f'{name},Movie,"{row["title"]}')
        random.shuffle(rows)
        rows = [row | dict.fromkeys(missing) for row in rows]
        found.append(Day(rows, missing, rejected))
    return found


# --- the model -----------------------------------------------------------------------------------


@dataclass
class Version:
    key: str
    values: dict
    batch: str
    line: int
    operation: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None = None
    end_operation: str | None = None
    end_batch: str | None = None


class Model:
    """SCD type 2 over dicts: what the history must be after each day."""

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.missing: frozenset | None = None  # from the last day's file
        self.merges: list[tuple] = []

    def live(self) -> dict[str, Version]:
        return {v.key: v for v in self.versions if v.valid_to is None}

    def merge(self, batch: str, at: dt.datetime, day: Day) -> None:
        sound, unreadable_keys, keyless_titles = self.read(day)
        gained = (self.missing or frozenset()) - day.missing
        live, ended = self.live(), {v.key for v in self.versions}
        words = {word.strip(' "') for line in day.rejected for word in line.split(",")}
        count = dict.fromkeys(("insert", "reappear", "update", "delete", "fill", "carry"), 0)
        for key, (values, line) in sound.items():
            old = live.get(key)
            if old:  # what the file does not have it knows nothing about
                values = values | {name: old.values[name] for name in day.missing}
                first = {name for name in gained if old.values[name] is None}
                different = {name for name in values if old.values[name] != values[name]}
                if not different:
                    continue
                operation = "fill" if different <= first else "update"
            else:
                operation = "reappear" if key in ended else "insert"
            if old:
                self.end(old, at, batch, "update")
            self.versions.append(Version(key, values, batch, line, operation, at))
            count[operation] += 1
        for key, old in live.items():
            if key in sound:
                continue
            if key in unreadable_keys or old.values["title"] in keyless_titles or key in words:
                count["carry"] += 1
                continue
            self.end(old, at, batch, "delete")
            count["delete"] += 1
        now = len(self.live())
        unchanged = now - sum(count.values()) + count["delete"]
        self.merges.append((batch, at, len(live), *count.values(), unchanged, now))
        self.missing = day.missing

    def end(self, version: Version, at: dt.datetime, batch: str, operation: str) -> None:
        version.valid_to, version.end_batch, version.end_operation = at, batch, operation

    def read(self, day: Day) -> tuple[dict, set, set]:
        """(key -> (values, line) of the sound titles, keys set aside, titles without a key)."""
        candidates: dict[str, list[tuple[dict, int, str]]] = {}
        aside, keyless = set(), set()
        for line, row in enumerate(day.rows, 2):
            key = (row["show_id"] or "").strip() or None
            if not key and (row["title"] or "").strip():
                keyless.add(row["title"].strip())
            if not key or any(row[column] == value for column, value in BREAKS):
                aside.add(key)
                continue
            values = {
                column: row[column].strip() if column == "title" else CLEAN[column, row[column]]
                for column in POOLS
            }
            # A text that is no date is NULL above; a copy without it says something else.
            lost = row["date_added"] if values["date_added"] is None else None
            candidates.setdefault(key, []).append((values, line, (lost or "").strip()))
        sound = {}
        for key, copies in candidates.items():
            first, line, first_lost = copies[0]
            if all((values, lost) == (first, first_lost) for values, _, lost in copies):
                sound[key] = first, line
            else:
                aside.add(key)
        return sound, aside, keyless

    def rows(self) -> list[tuple]:
        """The version table, as HISTORY selects it."""
        ordered = sorted(self.versions, key=lambda version: (version.key, version.valid_from))
        return [
            (
                v.key,
                v.key,
                v.key,
                *(v.values[name] for name in POOLS),
                v.batch,
                v.line,
                v.operation,
                v.valid_from,
                v.valid_to,
                v.valid_to is None,
                v.end_operation,
                v.end_batch,
            )
            for v in ordered
        ]

    def changes(self) -> list[tuple]:
        """The change feed, as CHANGES selects it: a view over the versions."""
        found, before = [], {}
        for v in sorted(self.versions, key=lambda version: version.valid_from):
            if v.operation in ("update", "fill"):
                old = before[v.key].values
                found += [
                    (v.batch, v.valid_from, v.key, v.operation, name, text(old[name]), text(value))
                    for name, value in v.values.items()
                    if old[name] != value
                ]
            else:
                title = v.values["title"]
                found.append((v.batch, v.valid_from, v.key, v.operation, None, None, title))
            if v.end_operation == "delete":
                title = v.values["title"]
                found.append((v.end_batch, v.valid_to, v.key, "delete", None, title, None))
            before[v.key] = v
        return sorted(found, key=repr)


def text(value: object) -> str | None:
    return None if value is None else str(value)


HISTORY = (
    "SELECT title_id, business_key, show_id, "
    + ", ".join(f'"{name}"' for name in POOLS)
    + ", batch_id, source_line, operation, valid_from, valid_to, is_current, end_operation, "
    "end_batch_id FROM analytics_netflix_history ORDER BY title_id, valid_from"
)
MERGES = (
    "SELECT batch_id, snapshot_at, previous_rows, inserted, reappeared, updated, deleted, filled, "
    "carried, unchanged, current_rows FROM ops_merges ORDER BY snapshot_at"
)
CHANGES = (
    "SELECT batch_id, changed_at, title_id, operation, column_name, old_value, new_value "
    "FROM cdc_netflix_changes"
)
AS_OF = (
    "SELECT title_id, "
    + ", ".join(f'"{name}"' for name in POOLS)
    + ", valid_from FROM catalog_as_of(?::TIMESTAMP) ORDER BY title_id"
)
# Each must find nothing, whatever came before; version_id and the hashes are checked here only.
INVARIANTS = {
    "one current version per title": "SELECT title_id FROM analytics_netflix_history "
    "WHERE is_current GROUP BY title_id HAVING count(*) > 1",
    "no overlap": "SELECT a.title_id FROM analytics_netflix_history AS a "
    "INNER JOIN analytics_netflix_history AS b ON a.title_id = b.title_id "
    "AND a.valid_from < b.valid_from AND (a.valid_to IS NULL OR a.valid_to > b.valid_from)",
    "valid_from < valid_to": "SELECT title_id FROM analytics_netflix_history "
    "WHERE valid_to <= valid_from",
    "current is open": "SELECT title_id FROM analytics_netflix_history "
    "WHERE is_current <> (valid_to IS NULL)",
    "version_id is unique": "SELECT version_id FROM analytics_netflix_history "
    "GROUP BY version_id HAVING count(*) > 1",
    "two versions in a row differ": "SELECT a.title_id FROM analytics_netflix_history AS a "
    "INNER JOIN analytics_netflix_history AS b ON a.title_id = b.title_id "
    "AND a.valid_to = b.valid_from AND "
    + " AND ".join(f'a."{name}" IS NOT DISTINCT FROM b."{name}"' for name in POOLS),
    "the open version's hash is that of staging": "SELECT title_id FROM analytics_netflix_history "
    "INNER JOIN staging_netflix_titles USING (business_key) WHERE is_current "
    "AND analytics_netflix_history.row_hash <> staging_netflix_titles.row_hash",
}


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
    broken = {name: found for name, sql in INVARIANTS.items() if (found := con.sql(sql).fetchall())}
    assert broken == {}


def check_history(con: duckdb.DuckDBPyConnection, ours, days: list[Day], every: int = 1) -> None:
    """Merge the days one by one; the whole version table must be the model's after each.

    It keeps all that ever was: with `every`, it is looked at after so many days and at the end.
    """
    merge.create_tables(con)
    merge.clear_history(con)
    con.execute("DROP TABLE IF EXISTS staging_netflix_quarantine")
    load_days(con, days)
    model = Model()
    as_it_was = {}
    for number, day in enumerate(days):
        batch = batch_of(number, day, **with_rejects(con, ours.snapshots, number, day))
        con.execute("SET VARIABLE day = ?", [number])
        build.build_staging(con, batch, CONTRACT)
        merge.merge_batch(con, batch, ours, CONTRACT, enforce_limits=False)
        model.merge(batch.batch_id, batch.snapshot_at, day)
        if number % every == 0 or number == len(days) - 1:
            compare(con, model)
        as_it_was[batch.snapshot_at] = con.execute(AS_OF, [batch.snapshot_at]).fetchall()
        live = sorted((v.key, *v.values.values(), v.valid_from) for v in model.live().values())
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


def histories(keys: int, days: int) -> st.SearchStrategy[list[Day]]:
    return st.builds(
        lambda seed, keys, days: made_up(Random(seed), keys, days),
        st.integers(0, 2**32),
        st.integers(1, keys),
        st.integers(1, days),
    )


def many(examples: int):
    """The same histories in every run; no time limit on one, since the machine is shared."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate] if "MUTATION_TEST" in os.environ else list(Phase),  # no shrinking
        suppress_health_check=list(HealthCheck),
    )


@many(5)
@given(days=histories(8, 6))
def test_small_histories_are_those_of_the_model(place, days: list[Day]) -> None:
    check_history(*place, days)


@pytest.mark.slow
@many(60)
@given(days=histories(12, 8))
def test_more_small_histories_are_those_of_the_model(place, days: list[Day]) -> None:
    check_history(*place, days)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_100_histories_of_50_titles_over_30_days_are_those_of_the_model(place, seed: int) -> None:
    """A day costs 150 ms whatever its size: so a hundred histories go side by side, ten times."""
    check_history(*place, made_up(Random(seed), 50, 30, side_by_side=100), every=5)


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


def arrive(con: duckdb.DuckDBPyConnection, ours, batches: list[Batch]) -> dict:
    """Step 06 after each arrival; returns the history's content at the end."""
    merge.create_tables(con)
    merge.clear_history(con)
    for table in ("staging_netflix_quarantine", "staging_counts"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    step = Step("merge", ours, "test", logging.Logger("test"), con)
    known: list[Batch] = []
    for batch in batches:
        known = sorted([*known, batch], key=lambda one: one.snapshot_at)
        todo, _, anew = merge.find_pending(con, known, ours)
        merged = {name for name, _ in merge.merged_batches(con)}
        assert anew == any(one.snapshot_at > batch.snapshot_at for one in known)
        if anew:
            merge.clear_history(con)
        merge.merge_pending(step, con, known, CONTRACT, todo, merged)
    return content(con)


def check_arrivals(place, seed: int, orders: int, days: int, side_by_side: int = 1) -> None:
    """So many orders, all different and none that of the days, end in the same content."""
    con, ours = place
    random = Random(seed)
    batches = landed(con, ours, made_up(random, random.randint(2, 8), days, side_by_side))
    in_order = arrive(con, ours, batches)
    for shuffled in random.sample(list(permutations(batches))[1:], orders):
        assert arrive(con, ours, shuffled) == in_order, [one.batch_id for one in shuffled]


@many(1)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_arrival_makes_no_difference(place, seed: int) -> None:
    check_arrivals(place, seed, orders=2, days=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_200_orders_of_arrival_make_no_difference(place, seed: int) -> None:
    """Five histories go side by side in each of five orders: 25 times, by eight seeds."""
    check_arrivals(place, seed, orders=5, days=3 + seed % 2, side_by_side=5)
