"""The warehouse on another engine than DuckDB: a Warehouse (warehouse/database.py).

Each engine has one subclass, in engines/<engine>.py. It says how a translated statement is run and
which tables there are; the rest is here.

Statements are not undone: these engines have no transaction over several such statements (Delta has
none, Snowflake and BigQuery end one at each CREATE). So the steps order their statements such that
the next run repairs what a run leaves that dies between two: see sql/history/undo_partial.sql.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from column import Column
from config import SQL, Settings
from contract import load_contract
from engines.translator import ROWID, Translator, parse_statements
from warehouse.columns import choose_columns, column_names
from warehouse.database import DuckDBWarehouse, connect, identifier, read_sql

if TYPE_CHECKING:
    import pyarrow

Rows = Iterable[tuple]
HISTORY = "analytics_netflix_history"
# The files that create the published tables.
DECLARED = (
    "ops.sql",
    "history/tables.sql",
    "history/empty.sql",
    "history/views.sql",
    "analytics/prepare.sql",
    "analytics/take_all.sql",
    "analytics/country_codes.sql",
    "analytics/dimensions.sql",
    "analytics/facts.sql",
    "analytics/count_all.sql",
    "analytics/sums.sql",
    "analytics/dim_title.sql",
    "analytics/kpis.sql",
)


class Adapter:
    """A session on an engine; `execute` takes DuckDB's SQL. Errors are raised as duckdb.Error."""

    has_transactions = False
    settings: Settings
    staging = Path()  # staging is tables
    reads: Collection[Path] = ()  # the folders that as_duckdb may touch
    copy: DuckDBWarehouse | None = None

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.description: Sequence[tuple] = []
        self.rows: Iterator[tuple] = iter(())

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "Adapter":
        """Translate and run all statements; the result is that of the last."""
        for tree in self.translator.statements(sql, values or ()):
            if isinstance(tree, exp.Alter) and self.has_column(tree):
                continue
            try:
                self.run(tree)
            except self.errors as error:
                raise duckdb.Error(str(error)) from error
        return self

    def has_column(self, alter: exp.Alter) -> bool:
        """Return whether a table has the column to add; not all engines know IF NOT EXISTS."""
        column = alter.args["actions"][0]
        column.set("exists", False)
        return column.name in column_names(self, alter.this.name)

    def run(self, tree: exp.Expression) -> None:
        """Run one translated statement."""
        names, rows = self.result(self.translator.text(tree))
        self.description, self.rows = [(name,) for name in names], iter(rows)

    # what each engine implements

    errors: tuple[type[Exception], ...] = ()

    def result(self, sql: str) -> tuple[list[str], Rows]:
        """Run a statement in the engine's dialect; return the column names and the rows."""
        raise NotImplementedError

    def objects(self) -> Iterable[tuple[str, bool]]:
        """List (name, whether it is a view) of all tables and views."""
        raise NotImplementedError

    def load_parquet(self, view: str, path: Path) -> None:
        """Create a table, or a session's view, of a Parquet file's rows."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def arrow(self, sql: str) -> "pyarrow.Table":
        """Return the result of a query in the engine's dialect, with the types of its columns."""
        raise NotImplementedError

    # what is the same for all

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> None:
        self.load_parquet(view, path)

    def as_duckdb(self, *prefixes: str) -> DuckDBWarehouse:
        """Copy tables and views with these prefixes into DuckDB, as tables with their comments.

        Tables that exist there stay. Columns get the types that they have in DuckDB: engines have
        others, and Snowflake's depend on the numbers in them.
        """
        con = self.copy = self.copy or connect(":memory:", self.settings, self.reads)
        objects = list(self.objects())
        contract = load_contract(self.settings.contract_path, self.settings.cdc_key)
        columns: Sequence[Column] = contract.columns
        if (HISTORY, False) in objects:
            columns = choose_columns(self, HISTORY, columns)
        types = declared_types(columns)
        there = {name for name, _ in con.objects()}
        for name, _ in objects:
            if name.startswith(prefixes) and name not in there:
                order = f" ORDER BY {ROWID[name]}" if name in ROWID else ""
                con.register("copied", self.arrow(f"SELECT * FROM {name}{order}"))
                casts = [
                    f"CAST({identifier(column)} AS {kind}) AS {identifier(column)}"
                    for column, kind in types.get(name, [])
                ]
                shown = ", ".join(casts) or "*"
                con.execute(f"CREATE TABLE {name} AS SELECT {shown} FROM copied")
                con.unregister("copied")
                there.add(name)
        for comment in comment_statements(there, columns):
            con.execute(comment)
        return con

    # the rest of a DuckDB connection

    def fetchone(self) -> tuple | None:
        return next(self.rows, None)

    def fetchmany(self, size: int) -> list[tuple]:
        return list(islice(self.rows, size))

    def fetchall(self) -> list[tuple]:
        return list(self.rows)


def declared_types(columns: Sequence[Column]) -> dict[str, list[tuple[str, str]]]:
    """Return table -> [(column, type)] as DuckDB has them for an empty history."""
    with duckdb.connect() as con:
        con.execute("SET VARIABLE country_codes = ''")
        for name in DECLARED:
            con.execute(read_sql(name, columns))
        cursor = con.execute(
            "SELECT table_name, list((column_name, data_type) ORDER BY column_index) "
            "FROM duckdb_columns() WHERE NOT internal GROUP BY table_name"
        )
        return dict(cursor.fetchall())


def comment_statements(tables: set[str], columns: Sequence[Column]) -> Iterator[str]:
    """Yield the COMMENT statements of sql/analytics for these tables; none of them is a view."""
    for path in sorted((SQL / "analytics").glob("*.sql")):
        for tree in parse_statements(read_sql(f"analytics/{path.name}", columns)):
            if isinstance(tree, exp.Comment):
                of_column = tree.args["kind"] == "COLUMN"
                if not of_column:
                    tree.set("kind", "TABLE")
                if (tree.this.table if of_column else tree.this.name) in tables:
                    yield tree.sql(dialect="duckdb", identify=True)


def parquet_columns(path: Path, dialect: str) -> list[tuple[str, str]]:
    """Return (name, type in the engine's dialect) of each column, in the file's order."""
    with duckdb.connect() as con:
        cursor = con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
        )
        return [
            (name, exp.DataType.build(kind, dialect="duckdb").sql(dialect=dialect))
            for name, kind, *_ in cursor.fetchall()
        ]
