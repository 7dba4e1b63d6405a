"""Mirror into BigQuery and Snowflake: rows are loaded, then all tables change in one commit.

Experimental: never run on the services. A night's rows go to a table of their own by a load job, or
by PUT and COPY. One transaction then merges each of them into its table, proves that every table
has the published rows, and records what it has. Whoever reads sees all tables of one night. No SQL
is translated: these are the statements, in each service's words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mirror.difference import (
    BETWEEN,
    HISTORY,
    LEFT_OUT,
    NOTHING,
    TYPES,
    Change,
    State,
    Table,
)
from warehouse.database import identifier

STATES = "mirror_tables"
STATE_COLUMNS = ("table_name", "version", "since", "rows", "digest", "columns")
VIEWS = {
    "analytics_netflix_current": "SELECT * FROM {history} WHERE {is_current}",
    "dim_title": "SELECT {version_id} AS {title_key}, * FROM {history}",
}


class Proof(str):
    """A query of all tables' rows and hashes, to be compared before the commit."""


@dataclass(frozen=True)
class Load:
    """A file whose rows a new table gets: by these statements, and a job where there is one."""

    table: str
    path: Path
    statements: tuple[str, ...]
    is_job: bool = False


class Service:
    """The words of a service."""

    types: Mapping[str, str]
    forms: Mapping[str, str]  # by DuckDB's type: what a value is before it is a text
    begin, commit, rollback = "BEGIN TRANSACTION", "COMMIT TRANSACTION", "ROLLBACK TRANSACTION"

    def __init__(self, place: str) -> None:
        self.place = place  # before a table's name

    def name(self, name: str) -> str:
        raise NotImplementedError

    def table(self, name: str) -> str:
        raise NotImplementedError

    def text(self, value: str) -> str:
        raise NotImplementedError

    def as_text(self, column: str, kind: str) -> str:
        """Return what writes a value as `portable_hash` does in DuckDB."""
        column, text = self.forms.get(kind, "{}").format(column), self.types["string"]
        return column if kind == "VARCHAR" else f"CAST({column} AS {text})"

    def number(self, text: str) -> str:
        """Return what makes a number of the first 15 digits of a text's MD5."""
        raise NotImplementedError

    def load(self, change: Change, path: Path) -> Load:
        raise NotImplementedError

    def columns(self, table: Table) -> str:
        return ", ".join(
            f"{self.name(name)} {self.types[TYPES[kind]]}" for name, kind, _ in table.columns
        )

    def merge(self, change: Change) -> Iterator[str]:
        """Yield what brings loaded rows into their table: new ones, and those that ended."""
        names = [self.name(name) for name, _, _ in change.table.columns]
        target, source = self.table(change.table.name), self.table(staging(change.table.name))
        if change.key:
            key = self.name(change.key)
            pairs = ", ".join(f"{name} = s.{name}" for name in names)
            values = ", ".join(f"s.{name}" for name in names)
            yield (
                f"MERGE INTO {target} AS t\nUSING {source} AS s\nON t.{key} = s.{key}\n"
                f"WHEN MATCHED THEN UPDATE SET {pairs}\n"
                f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({values})"
            )
            return
        if change.is_whole:
            yield f"DELETE FROM {target} WHERE TRUE"
        columns = ", ".join(names)
        yield f"INSERT INTO {target} ({columns})\nSELECT {columns} FROM {source}"

    def measure(self, table: Table) -> str:
        """Return a query of a table's number of rows and the sum of their hashes."""
        parts = [self.as_text(self.name(name), kind) for name, kind, _ in table.columns]
        text = f" || {self.text(BETWEEN)} || ".join(
            f"COALESCE({part}, {self.text(NOTHING)})" for part in parts
        )
        return (
            f"SELECT {self.text(table.name)} AS {self.name('table_name')}, "
            f"COUNT(*) AS {self.name('row_count')}, "
            f"COALESCE(SUM({self.number(text)}), 0) AS {self.name('digest')} "
            f"FROM {self.table(table.name)}"
        )

    def prove(self, tables: Iterable[Table]) -> Proof:
        return Proof("\nUNION ALL\n".join(self.measure(table) for table in tables))

    def record(self, states: dict[str, State]) -> str:
        """Return what records the tables' states, as the last statement before the commit."""
        rows = "\nUNION ALL\n".join(
            "SELECT "
            + ", ".join(
                f"{self.text(value)} AS {self.name(column)}"
                if isinstance(value, str)
                else f"{value} AS {self.name(column)}"
                for column, value in zip(
                    STATE_COLUMNS,
                    (name, state.version, state.since, state.rows, state.digest, state.columns),
                    strict=True,
                )
            )
            for name, state in sorted(states.items())
        )
        names = [self.name(name) for name in STATE_COLUMNS]
        pairs = ", ".join(f"{name} = s.{name}" for name in names[1:])
        values = ", ".join(f"s.{name}" for name in names)
        return (
            f"MERGE INTO {self.table(STATES)} AS t\nUSING (\n{rows}\n) AS s\n"
            f"ON t.{names[0]} = s.{names[0]}\nWHEN MATCHED THEN UPDATE SET {pairs}\n"
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({values})"
        )

    def prepare(self, tables: Iterable[Table], before: dict[str, State]) -> Iterator[str]:
        """Yield what makes tables, and columns that the contract got; nothing is removed."""
        if not before:
            yield self.create_states()
        for table in tables:
            target, known = self.table(table.name), before.get(table.name)
            if known is None:
                yield f"CREATE TABLE IF NOT EXISTS {target} ({self.columns(table)})"
            elif known.columns != table.fingerprint:
                for name, kind, _ in table.columns:
                    kind = self.types[TYPES[kind]]
                    yield f"ALTER TABLE {target} ADD COLUMN IF NOT EXISTS {self.name(name)} {kind}"
            else:
                continue
            if table.name == HISTORY:
                words = ("is_current", "version_id", "title_key")
                names = {word: self.name(word) for word in words} | {"history": target}
                for view in LEFT_OUT:
                    query = VIEWS[view].format(**names)
                    yield f"CREATE OR REPLACE VIEW {self.table(view)} AS {query}"

    def create_states(self) -> str:
        columns = ", ".join(
            f"{self.name(name)} {self.types['long' if name == 'rows' else 'string']}"
            for name in STATE_COLUMNS
        )
        return f"CREATE TABLE IF NOT EXISTS {self.table(STATES)} ({columns})"

    def read_states(self) -> str:
        columns = ", ".join(map(self.name, STATE_COLUMNS))
        return f"SELECT {columns} FROM {self.table(STATES)}"


class BigQuery(Service):
    """GoogleSQL; `place` is project.dataset."""

    types = MappingProxyType(
        {
            "string": "STRING",
            "date": "DATE",
            "timestamp": "TIMESTAMP",
            "boolean": "BOOL",
            "integer": "INT64",
            "long": "INT64",
            "double": "FLOAT64",
        }
    )
    forms = MappingProxyType(
        {"TIMESTAMP": "UNIX_MICROS({})", "DOUBLE": "CAST(ROUND({} * 1000000) AS INT64)"}
    )

    def name(self, name: str) -> str:
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def table(self, name: str) -> str:
        return f"`{self.place}.{name}`"

    def text(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def number(self, text: str) -> str:
        return f"CAST(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({text})), 1, 15)) AS INT64) AS NUMERIC)"

    def load(self, change: Change, path: Path) -> Load:
        name = staging(change.table.name)
        made = f"CREATE OR REPLACE TABLE {self.table(name)} ({self.columns(change.table)})"
        return Load(name, path, (made,), is_job=True)


class Snowflake(Service):
    """Snowflake's SQL; `place` is database.schema. Names are in capitals, as by hand."""

    types = MappingProxyType(
        {
            "string": "VARCHAR",
            "date": "DATE",
            "timestamp": "TIMESTAMP_TZ",
            "boolean": "BOOLEAN",
            "integer": "INT",
            "long": "BIGINT",
            "double": "DOUBLE",
        }
    )
    forms = MappingProxyType(
        {
            "TIMESTAMP": "DATE_PART(EPOCH_MICROSECOND, {})",
            "DOUBLE": "CAST(ROUND({} * 1000000) AS BIGINT)",
        }
    )
    begin, commit, rollback = "BEGIN TRANSACTION", "COMMIT", "ROLLBACK"

    def name(self, name: str) -> str:
        return identifier(name.upper())

    def table(self, name: str) -> str:
        return ".".join(map(self.name, (*self.place.split("."), name)))

    def text(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"

    def as_text(self, column: str, kind: str) -> str:
        if kind == "DATE":  # an account may have another format as its default
            return f"TO_VARCHAR({column}, 'YYYY-MM-DD')"
        return super().as_text(column, kind)

    def number(self, text: str) -> str:
        return f"TO_NUMBER(SUBSTR(MD5({text}), 1, 15), 'XXXXXXXXXXXXXXX')"

    def load(self, change: Change, path: Path) -> Load:
        name = staging(change.table.name)
        stage = f"@%{name.upper()}"
        return Load(
            name,
            path,
            (
                f"CREATE OR REPLACE TRANSIENT TABLE {self.table(name)} "
                f"({self.columns(change.table)})",
                f"PUT {self.text(f'file://{path}')} {stage} AUTO_COMPRESS = FALSE OVERWRITE = TRUE",
                f"COPY INTO {self.table(name)} FROM {stage} FILE_FORMAT = (TYPE = PARQUET) "
                "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE",
            ),
        )


def staging(name: str) -> str:
    return f"mirror_in_{name}"


def night(
    service: Service,
    changes: list[Change],
    before: dict[str, State],
    states: dict[str, State],
    tables: Iterable[Table],
    folder: Path,
) -> Iterator[str | Load]:
    """Yield all that is sent in a night, in order.

    The caller compares what the Proof returns with the states, and rolls back if they differ.
    """
    yield from service.prepare([change.table for change in changes], before)
    for change in changes:
        yield service.load(change, folder / f"{change.table.name}.parquet")
    yield service.begin
    for change in changes:
        yield from service.merge(change)
    yield service.prove(tables)
    yield service.record(states)
    yield service.commit
