"""Run the files of sql/ and ask which tables there are."""

from collections.abc import Mapping
from typing import Any

from config import SQL
from warehouse.engine import Warehouse
from warehouse.quoting import identifier


def run_file(con: Warehouse, name: str, variables: Mapping[str, Any] | None = None) -> None:
    """Run sql/<name>, whole or not at all; its statements read `variables` with getvariable().

    A file opens no transaction itself: it is a part of the caller's, which run_step opens.
    """
    set_variables(con, variables or {})
    con.execute((SQL / name).read_text(encoding="utf-8"))


def fetch_file(con: Warehouse, name: str) -> list[dict[str, Any]]:
    """The result of the query in sql/<name>, row by row; for results that a person could read."""
    cursor = con.execute((SQL / name).read_text(encoding="utf-8"))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def set_variables(con: Warehouse, variables: Mapping[str, Any]) -> None:
    """Set session variables; a list is one of texts, also where it is empty."""
    for name, value in variables.items():
        bound = "CAST(? AS VARCHAR[])" if isinstance(value, list) else "?"
        con.execute(f"SET VARIABLE {identifier(name)} = {bound}", [value])


def table_names(con: Warehouse) -> list[str]:
    """All tables and views."""
    return [name for name, _ in con.objects()]


def has_tables(con: Warehouse, *names: str) -> bool:
    """Whether all of these tables are there: a step that made them may not have run yet."""
    return {name for name, is_view in con.objects() if not is_view}.issuperset(names)


def column_names(con: Warehouse, table: str) -> list[str]:
    """The columns of one of the pipeline's own tables or views, in their order."""
    found = con.execute(f"SELECT * FROM {table} LIMIT 0").description
    return [column[0] for column in found]
