"""The warehouse on another engine than DuckDB: a Warehouse (warehouse/database.py).

One subclass per engine, in engines/<engine>.py. Each says how a translated statement is run and
which tables there are; the rest is here.

No statement is undone: these engines have no transaction over several statements of this kind
(Delta has none, Snowflake and BigQuery end one at each CREATE). So the steps order their statements
such that a run that dies between two of them is made good by the next: see
sql/history/undo_partial.sql.
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
# What makes the tables that are published.
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
    settings: Settings  # as open_warehouse got them, and the folders that as_duckdb may touch
    reads: Collection[Path] = ()
    copy: DuckDBWarehouse | None = None

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.description: list[tuple[str]] = []
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
        """Whether the table has the column that is to be added; not all engines can ask it so."""
        column = alter.args["actions"][0]
        column.set("exists", False)
        return column.name in column_names(self, alter.this.name)

    def run(self, tree: exp.Expression) -> None:
        """Run one translated statement."""
        names, rows = self.result(self.translator.text(tree))
        self.description, self.rows = [(name,) for name in names], iter(rows)

    # what an engine says of itself

    errors: tuple[type[Exception], ...] = ()

    def result(self, sql: str) -> tuple[list[str], Rows]:
        """Run a statement in the engine's own dialect: the names of the columns, and the rows."""
        raise NotImplementedError

    def objects(self) -> Iterable[tuple[str, bool]]:
        """(name, whether it is a view) of all tables and views."""
        raise NotImplementedError

    def load_parquet(self, view: str, path: Path) -> None:
        """A table, or a session's view, of a Parquet file's rows."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def arrow(self, sql: str) -> "pyarrow.Table":
        """The result of a query in the engine's own dialect, with the types of its columns."""
        raise NotImplementedError

    # what is the same for all

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> bool:
        self.load_parquet(view, path)
        return True

    def as_duckdb(self, *prefixes: str) -> DuckDBWarehouse:
        """Copy tables and views whose names begin so into DuckDB, as tables with their comments.

        Those that are there already are left as they are. Columns get the types that DuckDB gives
        them: engines have others, and Snowflake's differ with the numbers in them.
        """
        con = self.copy = self.copy or connect(":memory:", self.settings, self.reads)
        objects = list(self.objects())
        columns = load_contract(self.settings.contract_path, self.settings.cdc_key).columns
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
    """(column, type) of the tables and views that DuckDB makes of an empty history."""
    with duckdb.connect() as con:
        con.execute("SET VARIABLE country_codes = ''")
        for name in DECLARED:
            con.execute(read_sql(name, columns))
        found = con.execute(
            "SELECT table_name, list((column_name, data_type) ORDER BY column_index) "
            "FROM duckdb_columns() WHERE NOT internal GROUP BY table_name"
        )
        return dict(found.fetchall())


def comment_statements(tables: set[str], columns: Sequence[Column]) -> Iterator[str]:
    """The COMMENT statements of sql/analytics for these tables, all of which are no views."""
    for path in sorted((SQL / "analytics").glob("*.sql")):
        for tree in parse_statements(read_sql(f"analytics/{path.name}", columns)):
            if isinstance(tree, exp.Comment):
                of_column = tree.args["kind"] == "COLUMN"
                if not of_column:
                    tree.set("kind", "TABLE")
                if (tree.this.table if of_column else tree.this.name) in tables:
                    yield tree.sql(dialect="duckdb", identify=True)


def parquet_columns(path: Path, dialect: str) -> list[tuple[str, str]]:
    """(name, type in an engine's own words) of each column, in the file's order."""
    with duckdb.connect() as con:
        found = con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
        )
        return [
            (name, exp.DataType.build(kind, dialect="duckdb").sql(dialect=dialect))
            for name, kind, *_ in found.fetchall()
        ]
