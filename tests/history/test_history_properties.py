"""Random histories against a model of SCD type 2 that shares no line with the product.

A day is a list of raw records. Their values come from small pools, so that changes, flips back and
conflicting copies are common; each pool says next to the raw text what it means once it is clean.
"""

import datetime as dt
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from ingest.state import load_state
from runner.step import Step
from staging import build
from warehouse import database

CONTRACTS = {
    key: load_contract(PROJECT / "sql" / "contract.toml", key) for key in ("show_id", "title")
}
CONTRACT = CONTRACTS["show_id"]
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
SEPARATORS = r"[\x1f,;|\"\t\r\n]"
BREAKS = (("type", "Podcast"), ("type", None), ("title", " "), ("release_year", "1492"))
CLEAN = {(column, raw): clean for column, pool in POOLS.items() for raw, clean in pool}


@dataclass
class Day:
    """One snapshot: raw records (dicts), the columns that the file lacks, rejected texts."""

    rows: list[dict]
    missing: frozenset = frozenset()
    rejected: list[str] = field(default_factory=list)


def made_up(
    random: Random, keys: int, days: int, side_by_side: int = 1, by_title: bool = False
) -> list[Day]:
    """A history: each day most titles stay, some change, go, come back, break or are doubled.

    With `side_by_side` so many of them in one catalogue, which share neither keys nor titles.
    By title there are twins, and on some days ids are positions, or the file has none at all.
    """
    names = {f"s{number}": f" {number // keys}" for number in range(keys * side_by_side)}
    titles: dict[str, dict] = {}
    found, missing = [], frozenset(name for name in OPTIONAL if random.random() < 0.1)
    for _ in range(days):
        if random.random() < 0.3:
            missing ^= {random.choice(OPTIONAL)}
        restless = random.choice((0.1, 0.4, 0.9))
        rows, rejected = [], []
        start = random.choice((None, 0, 1)) if by_title else None
        lacks = missing | ({"show_id"} if by_title and random.random() < 0.15 else set())
        for name, suffix in names.items():
            fate = random.random()
            if name not in titles or (fate < restless and random.random() < 0.5):
                titles[name] = {column: random.choice(pool)[0] for column, pool in POOLS.items()}
            elif fate < restless:
                column = random.choice(list(POOLS))
                titles[name] = titles[name] | {column: random.choice(POOLS[column])[0]}
            if by_title and random.random() < 0.1:
                twin = f"s{random.randrange(keys) + int(name[1:]) // keys * keys}"
                titles[name] = dict(titles.get(twin, titles[name]))
            position = name if start is None else f"s{start + len(rows)}"
            row = {"show_id": position} | titles[name]
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
        rows = [row | dict.fromkeys(lacks) for row in rows]
        found.append(Day(rows, lacks, rejected))
    return found


# --- the model -----------------------------------------------------------------------------------


@dataclass
class Version:
    title_id: str
    key: str
    show_id: str | None
    values: dict
    batch: str
    line: int
    operation: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None = None
    end_operation: str | None = None
    end_batch: str | None = None


@dataclass
class Record:
    """What can be read of one record; None is what cannot."""

    key: str
    show_id: str | None
    values: dict
    line: int


def plain(title: str) -> str:
    return "".join(filter(str.isalnum, title.lower())) or title.lower()


def split_words(line: str) -> set[str]:
    return {word.strip() for word in re.split(SEPARATORS, line)}


def identity(values: dict) -> tuple:
    return plain(values["title"]), values["type"], values["release_year"]


class Model:
    """SCD type 2 over dicts: what the history must be after each day."""

    def __init__(self, by_title: bool = False) -> None:
        self.by_title = by_title
        self.versions: list[Version] = []
        self.missing: frozenset | None = None  # from the last day's file
        self.merges: list[tuple] = []
        self.ambiguous: list[tuple] = []

    def live(self) -> dict[str, Version]:
        return {v.title_id: v for v in self.versions if v.valid_to is None}

    def merge(self, batch: str, at: dt.datetime, day: Day, keys: dict[int, str]) -> None:
        """`keys` are those that the product gives records without one; any would do."""
        sound, aside = self.read(day, keys)
        gained = (self.missing or frozenset()) - day.missing
        live, ended = self.live(), {v.title_id for v in self.versions}
        words = [split_words(line) for line in day.rejected]
        count = dict.fromkeys(("insert", "reappear", "update", "delete", "fill", "carry"), 0)
        names, waiting = self.name(sound, at, day.missing)
        self.ambiguous += sorted((batch, key) for key in {key for key, _ in waiting})
        kept = {title_id for _, title_id in waiting}
        for title_id, record in names.items():
            old, values = live.get(title_id), record.values
            if old:  # what the file does not have it knows nothing about
                values = values | {name: old.values[name] for name in day.missing - {"show_id"}}
                show_id = old.show_id if "show_id" in day.missing else record.show_id
                first = {name for name in gained if name in values and old.values[name] is None}
                different = {name for name in values if old.values[name] != values[name]}
                if not different:
                    old.key, old.show_id = record.key, show_id
                    continue
                operation = "fill" if different <= first else "update"
                self.end(old, at, batch, "update")
            else:
                show_id = record.show_id
                operation = "reappear" if title_id in ended else "insert"
            self.versions.append(
                Version(title_id, record.key, show_id, values, batch, record.line, operation, at)
            )
            count[operation] += 1
        for title_id, old in live.items():
            if title_id in names:
                continue
            searched = split_words(old.values["title"] if self.by_title else old.key)
            if (
                title_id in kept
                or any(self.may_be(old, record) for record in aside)
                or any(searched <= found for found in words)
            ):
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

    def may_be(self, old: Version, record: Record) -> bool:
        """Whether a record that was set aside may be this title."""
        title = record.values["title"]
        if not self.by_title:
            return record.key == old.key or (not record.key and title == old.values["title"])
        alike = [
            record.values[name] in (None, old.values[name]) for name in ("type", "release_year")
        ]
        if title is None:
            about = record.values["description"]
            same = about is not None and about == old.values["description"]
            return record.key == old.key or (all(alike) and same)
        return all(alike) and plain(title) == plain(old.values["title"])

    def name(self, sound: dict[str, Record], at: dt.datetime, missing: frozenset) -> tuple:
        """(title id -> record, pairs of key and title id that nothing tells apart)."""
        if not self.by_title:
            return sound, []
        last = {v.title_id: v for v in sorted(self.versions, key=lambda v: v.valid_from)}
        known = {title_id: v for title_id, v in last.items() if v.valid_to is None}
        gone = {title_id: v for title_id, v in last.items() if v.valid_to}
        todo, names = dict(sound), {}

        def seen(one: Record | Version, *columns: str) -> tuple:
            return tuple(one.values[name] for name in columns if name not in missing)

        def pair(key: str, title_id: str) -> None:
            names[title_id] = todo.pop(key)
            known.pop(title_id, None)

        def pair_single(sign: Callable, others: dict[str, Version]) -> None:
            """Pair those of which there is one on each side."""
            sides: dict[tuple, tuple[list, list]] = {}
            for key, record in todo.items():
                sides.setdefault(sign(record), ([], []))[0].append(key)
            for title_id, version in others.items():
                sides.setdefault(sign(version), ([], []))[1].append(title_id)
            for keys, title_ids in sides.values():
                if len(keys) == len(title_ids) == 1:
                    pair(keys[0], title_ids[0])

        for key in sorted(todo):  # the same content under the same key
            same = [
                title_id
                for title_id, version in known.items()
                if version.key == key and seen(version, *POOLS) == seen(todo[key], *POOLS)
            ]
            if same:
                pair(key, min(same))
        for key in sorted(todo):  # twins, in their order
            same = [
                title_id
                for title_id, version in known.items()
                if seen(version, *POOLS) == seen(todo[key], *POOLS)
            ]
            if same:
                pair(key, min(same))
        people = ("director", "cast")

        def by_people(one: Record | Version) -> tuple:
            return identity(one.values), tuple(name or "" for name in seen(one, *people))

        pair_single(lambda one: (one.key, by_people(one)), known)
        pair_single(by_people, known)
        pair_single(lambda one: identity(one.values), known)
        for key, record in list(todo.items()):  # corrected under the same key
            same = [
                title_id
                for title_id, version in known.items()
                if version.key == key
                and any(
                    any(seen(record, *columns)) and by_people(record)[1:] == by_people(version)[1:]
                    if columns == people
                    else any(seen(record, *columns))
                    and seen(record, *columns) == seen(version, *columns)
                    for columns in (people, ("description",))
                )
            ]
            if len(same) == 1:
                pair(key, same[0])
        taken = {identity(version.values) for version in known.values()}
        back = {t: v for t, v in gone.items() if identity(v.values) not in taken}
        pair_single(lambda one: identity(one.values), back)
        waiting = [
            (key, title_id)
            for key, record in todo.items()
            for title_id, version in known.items()
            if identity(record.values) == identity(version.values)
        ]
        for key in set(todo) - {key for key, _ in waiting}:
            new = hashlib.md5(f"{key}|{at}".encode()).hexdigest()[:16]
            names[f"t{new}"] = todo[key]
        return names, waiting

    def read(self, day: Day, keys: dict[int, str]) -> tuple[dict[str, Record], list[Record]]:
        """(the sound records by their keys, those that were set aside)."""
        candidates: dict[str, list[tuple[Record, str]]] = {}
        aside = []
        for line, row in enumerate(day.rows, 2):
            show_id = (row["show_id"] or "").strip() or None
            key = keys[line] if "show_id" in day.missing else show_id
            broken = {column for column, value in BREAKS if row[column] == value}
            values = {
                column: None if column in broken else CLEAN.get((column, row[column]))
                for column in POOLS
            }
            if "title" not in broken:
                values["title"] = row["title"].strip()
            record = Record(key or "", show_id, values, line)
            if not key or broken:
                aside.append(record)
                continue
            # A text that is no date is NULL above; a copy without it says something else.
            lost = row["date_added"] if values["date_added"] is None else None
            candidates.setdefault(key, []).append((record, (lost or "").strip()))
        sound = {}
        for key, copies in candidates.items():
            if len({(repr(one.values), lost) for one, lost in copies}) == 1:
                sound[key] = copies[0][0]
            else:
                aside += [one for one, _ in copies]
        return sound, aside

    def rows(self) -> list[tuple]:
        """The version table, as HISTORY selects it."""
        ordered = sorted(self.versions, key=lambda version: (version.title_id, version.valid_from))
        return [
            (
                v.title_id,
                v.key,
                v.show_id,
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
                old = before[v.title_id].values
                found += [
                    (
                        v.batch,
                        v.valid_from,
                        v.title_id,
                        v.operation,
                        name,
                        text(old[name]),
                        text(value),
                    )
                    for name, value in v.values.items()
                    if old[name] != value
                ]
            else:
                title = v.values["title"]
                found.append((v.batch, v.valid_from, v.title_id, v.operation, None, None, title))
            if v.end_operation == "delete":
                title = v.values["title"]
                found.append((v.end_batch, v.valid_to, v.title_id, "delete", None, title, None))
            before[v.title_id] = v
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
AMBIGUOUS = "SELECT batch_id, business_key FROM ops_ambiguous_matches ORDER BY ALL"
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
    merge.create_tables(con)
    merge.clear_history(con)
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


def histories(keys: int, days: int, by_title: bool = False) -> st.SearchStrategy[list[Day]]:
    return st.builds(
        lambda seed, keys, days: made_up(Random(seed), keys, days, by_title=by_title),
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


@many(5)
@given(days=histories(8, 6, by_title=True))
def test_small_histories_by_title_are_those_of_the_model(place, days: list[Day]) -> None:
    check_history(*place, days, cdc_key="title")


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
    shutil.rmtree(ours.decisions, ignore_errors=True)
    load_state(ours)
    merge.create_tables(con)
    merge.clear_history(con)
    for table in ("staging_netflix_quarantine", "staging_counts"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    step = Step("merge", ours, "test", logging.Logger("test"), con)
    known: list[Batch] = []
    for batch in batches:
        known = sorted([*known, batch], key=lambda one: one.snapshot_at)
        pending = merge.find_pending(con, known, ours, CONTRACT)
        assert pending.is_replay == any(one.snapshot_at > batch.snapshot_at for one in known)
        merge.merge_pending(step, con, known, CONTRACT, pending)
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
