"""Create the history's tables and views, with the columns of the contract."""

from collections.abc import Sequence

from column import RESERVED, Column
from warehouse.columns import KNOWN, column_names
from warehouse.database import DuckDBWarehouse, Warehouse, has_tables, run_file


def create_views(con: Warehouse, columns: Sequence[Column]) -> None:
    run_file(con, "history/views.sql", columns=columns)
    run_file(con, "history/time_travel.sql", columns=columns)


def has_columns(con: Warehouse, columns: Sequence[Column]) -> bool:
    """Return whether there is a history with these columns."""
    if not has_tables(con, "analytics_netflix_history"):
        return False
    stored = column_names(con, "analytics_netflix_history")
    return sorted({*stored} - {*RESERVED}) == sorted(column.name for column in columns)


def merged_batches(con: Warehouse) -> list[tuple[str, str, str | None]]:
    """Return (batch id, CDC_KEY, contract) of all merges in snapshot order.

    The contract is the fingerprint of the one they were staged by, None if it is not known.
    """
    return con.execute(
        "SELECT batch_id, cdc_key, contract FROM ops_merges ORDER BY snapshot_at"
    ).fetchall()


def clear_history(con: Warehouse, columns: Sequence[Column] = KNOWN) -> None:
    """Empty the history and give it these columns; the caller rebuilds it in its transaction.

    The merge records go first: without them, the next run undoes what is left.
    """
    if isinstance(con, DuckDBWarehouse) and merged_batches(con):
        drop_publishable_mark(con.cursor())  # at once: a replay that is undone leaves bytes, too
    for table in ("ops_merges", "ops_ambiguous_matches"):
        con.execute(f"DELETE FROM {table}")
    run_file(con, "history/empty.sql", columns=columns)
    create_views(con, columns)


def drop_publishable_mark(con: Warehouse) -> None:
    """Let step 09 copy table by table: bytes of deleted rows stay in the warehouse's file."""
    con.execute("DROP TABLE IF EXISTS publishable_file")


def create_tables(con: Warehouse, columns: Sequence[Column] = KNOWN) -> None:
    """Create the history's tables, views and macros.

    A history with other columns than the contract's stays as it is: the replay will replace it.
    """
    run_file(con, "history/tables.sql")
    if has_columns(con, columns):
        create_views(con, columns)
    elif not merged_batches(con):
        clear_history(con, columns)
    if not con.has_transactions:  # a run that died may have left half a merge
        run_file(
            con,
            "history/undo_partial.sql",
            {"merged_batches": [name for name, *_ in merged_batches(con)]},
        )
