"""Find what a table of a mirror lacks: what the merges since then began and ended, or all of it.

A mirror keeps with each table the number of its rows and the sum of their hashes. That sum, less
the rows that ended as they were, plus the rows as they are now, must be the sum over the published
table. A late file, a rebuild or a withdrawal changes other rows, too: then the sums differ, and the
table is written whole.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from errors import StepError
from publish.exports import list_published_tables
from runner.files import fingerprint
from warehouse.database import DuckDBWarehouse, identifier, run_file, set_variables

HISTORY, CHANGES = "analytics_netflix_history", "cdc_netflix_changes"
# Views that are a filter or other names of the history's rows: a reader's own view does that.
LEFT_OUT = ("analytics_netflix_current", "dim_title")
# DuckDB's type -> the type in a mirror, the same on all of them.
TYPES = {
    "VARCHAR": "string", "DATE": "date", "TIMESTAMP": "timestamp", "BOOLEAN": "boolean",
    "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "long", "DOUBLE": "double",
}  # fmt: skip
SINCE, BEGUN = "getvariable('mirror_since')", "(SELECT version_id FROM mirror_begun)"


@dataclass(frozen=True)
class Rule:
    """How a large table follows the merges: which rows are new, and which ended."""

    added: str  # a condition
    key: str = ""  # the column that names a row, where rows end
    before: tuple[tuple[str, str], ...] = ()  # the columns that an end changes -> as they were


RULES = {
    HISTORY: Rule(
        f"valid_from > {SINCE}",
        "version_id",
        (
            ("valid_to", "NULL::TIMESTAMP"),
            ("is_current", "true"),
            ("end_operation", "NULL::VARCHAR"),
            ("end_batch_id", "NULL::VARCHAR"),
        ),
    ),
    "fact_title_catalog": Rule(
        f"title_key IN {BEGUN}",
        "title_key",
        (("valid_to_key", "0"), ("is_current", "true")),  # 0: no date
    ),
    "bridge_title_cast": Rule(f"title_key IN {BEGUN}"),
    "bridge_title_country": Rule(f"title_key IN {BEGUN}"),
    "bridge_title_director": Rule(f"title_key IN {BEGUN}"),
    "bridge_title_genre": Rule(f"title_key IN {BEGUN}"),
    "dim_person": Rule(f"first_seen_at > {SINCE}"),
    CHANGES: Rule(f"changed_at > {SINCE}"),
}
NOTHING, BETWEEN = "\u2400", "\u241f"  # for NULL, and between two values, in a portable hash


def fast_hash(values: list[tuple[str, str]]) -> str:
    """Return SQL that hashes the values (SQL, DuckDB's type) of a row; DuckDB's own way."""
    return f"hash({', '.join(value for value, _ in values)})::HUGEINT"


def portable_hash(values: list[tuple[str, str]]) -> str:
    """Return SQL of a hash that other services compute, too: 60 bits of the MD5 of a text.

    Numbers with decimals count to the sixth.
    """
    forms = {"TIMESTAMP": "epoch_us({})", "DOUBLE": "CAST(round({} * 1000000) AS BIGINT)"}
    parts = [
        f"coalesce(CAST({forms.get(kind, '{}').format(value)} AS VARCHAR), '{NOTHING}')"
        for value, kind in values
    ]
    text = f" || '{BETWEEN}' || ".join(parts)
    return f"CAST('0x' || substr(md5({text}), 1, 15) AS BIGINT)::HUGEINT"


ENDED = "{key} IN (SELECT version_id FROM mirror_ended)"


@dataclass(frozen=True)
class State:
    """What a table of a mirror holds; kept with the commit that wrote it."""

    version: str  # the published version
    since: str  # the time of its newest merge
    rows: int
    digest: str  # the sum of the rows' hashes
    columns: str  # a fingerprint of the columns, and of what hashes them


@dataclass(frozen=True)
class Table:
    """A published table: its columns as (name, DuckDB's type, comment)."""

    name: str
    columns: tuple[tuple[str, str, str], ...]
    hashed: Callable[[list[tuple[str, str]]], str] = fast_hash

    @property
    def source(self) -> str:
        """Its name in the published copy; the change feed is a view, which is read only once."""
        return identifier(f"mirror_{self.name}" if self.name == CHANGES else self.name)

    @property
    def fingerprint(self) -> str:
        types = " ".join(f"{name}:{TYPES[kind]}" for name, kind, _ in self.columns)
        return fingerprint([], types, duckdb.__version__)

    def select(self, source: str) -> str:
        """Return a query of its rows in `source`, with the types of a mirror; times are UTC."""
        columns = ", ".join(
            f"{identifier(name)} AT TIME ZONE 'UTC' AS {identifier(name)}"
            if kind == "TIMESTAMP"
            else f"CAST({identifier(name)} AS INTEGER) AS {identifier(name)}"
            if kind == "SMALLINT"
            else identifier(name)
            for name, kind, _ in self.columns
        )
        return f"SELECT {columns} FROM {source}"

    def digest(self, source: str, before: Iterable[tuple[str, str]] = (), zoned: str = "") -> str:
        """Return a query of (rows, sum of hashes); `zoned` undoes what `select` does to times."""
        other = dict(before)
        values = [
            (
                other.get(name)
                or (f"{identifier(name)}::INTEGER" if kind == "SMALLINT" else identifier(name))
                + (zoned if kind == "TIMESTAMP" else ""),
                kind,
            )
            for name, kind, _ in self.columns
        ]
        return f"SELECT count(*), coalesce(sum({self.hashed(values)}), 0) FROM {source}"


@dataclass(frozen=True)
class Change:
    """What a table of a mirror is to get: some rows, or all of them."""

    table: Table
    state: State  # afterwards
    added: str  # where the rows to write are
    added_rows: int
    added_digest: int
    is_whole: bool  # they come in place of all that is there
    key: str = ""  # the column that names the rows of `ended`, which go
    ended: str = ""
    ended_rows: int = 0

    @property
    def query(self) -> str:
        return self.table.select(self.added)

    @property
    def ended_query(self) -> str:
        return f"SELECT {identifier(self.key)} FROM {self.added} WHERE {self.ended}"

    def whole(self) -> "Change":
        return write_all(self.table, self.state)


def write_all(table: Table, state: State) -> Change:
    return Change(table, state, table.source, state.rows, int(state.digest), is_whole=True)


def list_tables(con: DuckDBWarehouse) -> Iterator[Table]:
    """Yield what is mirrored of a published copy. Raises StepError for a type no mirror has."""
    for name, entry in sorted(list_published_tables(con).items()):
        if name in LEFT_OUT:
            continue
        for column, kind, _ in entry["columns"]:
            if kind not in TYPES:
                raise StepError(f"{name}.{column} has the type {kind}, which no mirror has")
        yield Table(name, tuple(entry["columns"]))


class Published:
    """A published copy, open to be compared with a mirror."""

    def __init__(
        self, con: DuckDBWarehouse, version: Path, hashed: Callable[..., str] = fast_hash
    ) -> None:
        self.con, self.version, self.since = con, version.name, ""
        self.newest = str(con.execute("SELECT max(snapshot_at) FROM ops_merges").fetchone()[0])
        self.tables = {table.name: replace(table, hashed=hashed) for table in list_tables(con)}
        if CHANGES in self.tables:
            name = self.tables[CHANGES].source
            con.execute(f"CREATE TEMP TABLE {name} AS FROM {identifier(CHANGES)}")

    def measure(self, table: Table, source: str, before: Any = ()) -> tuple[int, int]:
        """Return (rows, sum of hashes) of a table's rows in `source`."""
        return self.con.execute(table.digest(source, before)).fetchone()

    def state_of(self, table: Table) -> State:
        """Return what a mirror's table holds once it is level."""
        rows, digest = self.measure(table, table.source)
        return State(self.version, self.newest, rows, str(digest), table.fingerprint)

    def compare(self, table: Table, state: State | None) -> Change | None:
        """Return what a mirror's table lacks, given what it holds; None if that is nothing."""
        now = self.state_of(table)
        if state and replace(now, version=state.version, since=state.since) == state:
            return None
        rule = RULES.get(table.name)
        if not (rule and state and state.columns == now.columns):
            return write_all(table, now)
        return self.follow(table, rule, state, now) or write_all(table, now)

    def follow(self, table: Table, rule: Rule, state: State, now: State) -> Change | None:
        """Return what the merges since `state` began and ended, if that is all that changed."""
        if self.since != state.since:
            since = datetime.fromisoformat(state.since)
            set_variables(self.con, {"mirror_since": since})
            run_file(self.con, "mirror/changes.sql")
            self.since = state.since
        ended = ENDED.format(key=identifier(rule.key)) if rule.key else "false"
        added = identifier(f"mirror_added_{table.name}")
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {added} AS "
            f"FROM {table.source} WHERE {rule.added} OR {ended}"
        )
        gone = self.measure(table, f"{added} WHERE {ended}", rule.before)
        come = self.measure(table, added)
        sums = state.rows - gone[0] + come[0], int(state.digest) - gone[1] + come[1]
        if sums != (now.rows, int(now.digest)):
            return None
        change = Change(table, now, added, *come, is_whole=False)
        return replace(change, key=rule.key, ended=ended, ended_rows=gone[0]) if gone[0] else change
