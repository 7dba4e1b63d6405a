"""Run the files of sql/ and ask which tables there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from config import SQL
from warehouse.engine import is_duckdb
from warehouse.quoting import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from engines.base import Adapter


def run_file(
    con: duckdb.DuckDBPyConnection, name: str, variables: Mapping[str, Any] | None = None
) -> None:
    """Run sql/<name>, whole or not at all; its statements read `variables` with getvariable().

    A file opens no transaction itself: it is a part of the caller's, which run_step opens.
    """
    set_variables(con, variables or {})
    con.execute((SQL / name).read_text(encoding="utf-8"))


def fetch_file(con: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """The result of the query in sql/<name>, row by row; for results that a person could read."""
    cursor = con.execute((SQL / name).read_text(encoding="utf-8"))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def set_variables(con: duckdb.DuckDBPyConnection, variables: Mapping[str, Any]) -> None:
    """Set session variables; a list is one of texts, also where it is empty."""
    for name, value in variables.items():
        bound = "CAST(? AS VARCHAR[])" if isinstance(value, list) else "?"
        con.execute(f"SET VARIABLE {identifier(name)} = {bound}", [value])


def table_names(con: "DuckDBPyConnection | Adapter") -> list[str]:
    """All tables and views."""
    if not is_duckdb(con):
        return [name for name, _ in con.objects()]
    found = con.execute(
        "SELECT table_name FROM duckdb_tables() "
        "UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    return [name for (name,) in found]


def has_tables(con: "DuckDBPyConnection | Adapter", *names: str) -> bool:
    """Whether all of these tables are there: a step that made them may not have run yet."""
    if not is_duckdb(con):
        return {name for name, is_view in con.objects() if not is_view}.issuperset(names)
    found = con.execute(
        "SELECT count(*) FROM duckdb_tables() "
        "WHERE list_contains(CAST(? AS VARCHAR[]), table_name)",
        [list(names)],
    ).fetchone()[0]
    return found == len(names)


def column_names(con: "DuckDBPyConnection | Adapter", table: str) -> list[str]:
    """The columns of one of the pipeline's own tables or views, in their order."""
    found = con.execute(f"SELECT * FROM {table} LIMIT 0").description
    return [column[0] for column in found]


def show_parquet(
    con: "DuckDBPyConnection | Adapter", view: str, path: Path, temporary: bool = False
) -> bool:
    """Make a view (where the engine copies files in, a table) of a Parquet file's rows.

    A view that is of this file already stays, as making it again would write it again. Whether one
    was made.
    """
    if not is_duckdb(con):
        con.show_parquet(view, path)
        return True
    found = con.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [view]).fetchone()
    if found and literal(path) in found[0]:
        return False
    con.execute(
        f"CREATE OR REPLACE {'TEMP ' if temporary else ''}VIEW {view} AS "
        f"SELECT * FROM read_parquet({literal(path)}, hive_partitioning = false)"
    )
    return True
