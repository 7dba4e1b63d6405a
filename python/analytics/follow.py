"""The star schema follows the history by one merge, where what it was built from proves it may.

A star schema that step 08 did not leave like this is refused; see sql/analytics/contents.sql.
"""

from typing import Any

from analytics.star_schema import (
    BUILT_FROM,
    count_star_objects,
    drop_changes,
    fill_dimensions,
    find_broken,
    read_built_state,
)
from errors import StepError
from warehouse.database import Warehouse, fetch_file, has_tables, run_file, set_variables

# Columns of the contract that the tables below have values of.
COPIED = (
    "type", "release_year", "date_added", "rating", "duration", "country", "listed_in", "cast",
    "director",
)  # fmt: skip
GROWING = (
    "bridge_title_cast", "bridge_title_country", "bridge_title_director", "bridge_title_genre",
    "dim_person",
)  # fmt: skip


def can_follow(con: Warehouse, state: dict[str, Any]) -> bool:
    """Whether the star schema is that of the history before its newest merge.

    That merge must have begun and ended versions only: a value that is filled in, or taken over
    from a column that is not tracked, changes what is there. Other engines build in full.
    """
    if not con.has_transactions or not has_tables(con, "analytics_build", "analytics_contents"):
        return False
    before = {
        **{name: state[name] for name in BUILT_FROM},
        "batch_id": state["batch_before"],
        "merges": state["merges_before"],
        "history_rows": state["history_rows"] - state["begun"],
        "current_rows": state["current_rows"] - state["gained"],
        **count_star_objects(con),
    }
    has_same_values = not state["filled"] and {*COPIED} <= {*state["tracked_columns"].split(" ")}
    return has_same_values and read_built_state(con, before) == before


def follow_history(con: Warehouse, audiences: str, snapshot_at: Any) -> bool:
    """Take in what the newest merge began and ended; whether the keys of all names stayed.

    Raises StepError where a table is not as step 08 left it.
    """
    require_own_contents(con)
    con.execute("SET preserve_insertion_order = false")
    run_file(con, "analytics/prepare.sql")
    drop_changes(con)
    run_file(con, "analytics/take_changes.sql", {"snapshot_at": snapshot_at})
    fill_dimensions(con, audiences)
    if fetch_file(con, "analytics/renumbered_names.sql"):
        return False
    for name in ("facts", "count_changes", "sums"):
        run_file(con, f"analytics/{name}.sql")
    set_variables(con, {f"rows_{name}": rows for name, rows in count_known_rows(con).items()})
    if broken := find_broken(con, "invariants_changes"):
        raise StepError(
            f"the star schema is not the history's ({broken}): a value was changed around the "
            "pipeline, or this is a defect; nothing was kept or published. To build all from the "
            "history: make analytics FULL=1"
        )
    return True


def require_own_contents(con: Warehouse) -> None:
    """Raise StepError where a table of the star schema is not as step 08 left it."""
    read_contents(con, dict.fromkeys(GROWING, 0))
    rows = fetch_file(con, "analytics/contents_changed.sql")
    if changed := [row["table_name"] for row in rows]:
        raise StepError(
            f"{', '.join(changed)}: changed since step 08 wrote it, so nothing is built on it and "
            "nothing was published. To build all from the history: make analytics FULL=1"
        )


def read_contents(con: Warehouse, rows: dict[str, int]) -> None:
    """Make contents_now; of a table that only grows from so many rows on."""
    set_variables(con, {f"rows_{name}": number for name, number in rows.items()})
    run_file(con, "analytics/contents.sql")


def record_contents(con: Warehouse) -> None:
    """Record what the tables hold now; what was recorded before is not read again."""
    read_contents(con, count_known_rows(con))
    run_file(con, "analytics/contents_record.sql")


def count_known_rows(con: Warehouse) -> dict[str, int]:
    """Count the rows that the growing tables had when they were recorded; 0 where all was built."""
    con.execute("SELECT table_name, row_count FROM analytics_contents WHERE is_growing")
    return dict.fromkeys(GROWING, 0) | dict(con.fetchall())
