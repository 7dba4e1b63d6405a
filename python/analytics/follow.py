"""Update the star schema by the newest merge, if it was built from the history before it.

A star schema that differs from what step 08 left is refused; see sql/analytics/contents.sql.
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

# Columns of the contract with values in the star schema's tables.
COPIED = (
    "type", "release_year", "date_added", "rating", "duration", "country", "listed_in", "cast",
    "director",
)  # fmt: skip
GROWING = (
    "bridge_title_cast", "bridge_title_country", "bridge_title_director", "bridge_title_genre",
    "dim_person",
)  # fmt: skip
MOST_FOLLOWED, MOST_SHARE = 100_000, 0.2  # versions begun; beyond both, all is built faster


def can_follow(con: Warehouse, state: dict[str, Any]) -> bool:
    """Return whether the star schema is that of the history before its newest merge.

    That merge must only have begun and ended versions: values that were filled in, or taken over in
    columns that are not tracked, change older rows. Other engines always rebuild in full.
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
    is_little = state["begun"] <= max(MOST_FOLLOWED, MOST_SHARE * state["history_rows"])
    has_same_values = not state["filled"] and {*COPIED} <= {*state["tracked_columns"].split(" ")}
    return is_little and has_same_values and read_built_state(con, before) == before


def follow_history(con: Warehouse, audiences: str, snapshot_at: Any) -> bool:
    """Build in what the newest merge began and ended; return whether all names kept their keys.

    Raises StepError if a table is not as step 08 left it.
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
            f"the star schema does not fit the history ({broken}): a value was changed outside the "
            "pipeline, or this is a defect; nothing is published. To rebuild all from the history: "
            "make analytics FULL=1"
        )
    return True


def require_own_contents(con: Warehouse) -> None:
    """Raise StepError if a table of the star schema is not as step 08 left it."""
    read_contents(con, dict.fromkeys(GROWING, 0))
    rows = fetch_file(con, "analytics/contents_changed.sql")
    if changed := [row["table_name"] for row in rows]:
        raise StepError(
            f"{', '.join(changed)}: changed since step 08 wrote it, so nothing is built on it and "
            "nothing is published. To rebuild all from the history: make analytics FULL=1"
        )


def read_contents(con: Warehouse, rows: dict[str, int]) -> None:
    """Create contents_now; of growing tables, without their first `rows` rows."""
    set_variables(con, {f"rows_{name}": number for name, number in rows.items()})
    run_file(con, "analytics/contents.sql")


def record_contents(con: Warehouse) -> None:
    """Record the contents of the tables; rows recorded before are not read again."""
    read_contents(con, count_known_rows(con))
    run_file(con, "analytics/contents_record.sql")


def count_known_rows(con: Warehouse) -> dict[str, int]:
    """Return the recorded number of rows of each growing table; 0 after a full build."""
    con.execute("SELECT table_name, row_count FROM analytics_contents WHERE is_growing")
    return dict.fromkeys(GROWING, 0) | dict(con.fetchall())
