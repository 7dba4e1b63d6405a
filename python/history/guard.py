"""Find why a change is implausible."""

from duckdb import DuckDBPyConnection

from config import Limit, Settings, share
from history.diff import Diff
from warehouse.sql import fetch_file

REKEYED = Limit(rows=20, pct=5)  # no publisher corrects that many titles at once


def find_implausible_change(con: DuckDBPyConnection, diff: Diff, settings: Settings) -> str | None:
    """Return why this change is implausible, or None; a first load has nothing to compare with."""
    if not diff.previous:
        return None
    if settings.cdc_key == "show_id" and (objection := find_renumbered_ids(con, diff)):
        return objection
    counts = diff.counts
    added = counts["insert"] + counts["reappear"]
    for what, count, rows, pct in (
        ("deletes", counts["delete"], settings.max_deleted_rows, settings.max_deleted_pct),
        ("inserts", added, settings.max_inserted_rows, settings.max_inserted_pct),
        ("updates", diff.updated_content, settings.max_updated_rows, settings.max_updated_pct),
    ):
        if Limit(rows, pct).exceeded_by(count, diff.previous):
            return (
                f"the file {what} {count:,} of {diff.previous:,} titles "
                f"({share(count, diff.previous):.1f} %); allowed are {rows:,} and {pct:g} %."
            )
    return None


def find_renumbered_ids(con: DuckDBPyConnection, diff: Diff) -> str | None:
    """Return that many titles have another key than before (so none means anything), or None."""
    if not REKEYED.exceeded_by(diff.counts["update"] + diff.counts["delete"], diff.previous):
        return None
    rows = fetch_file(con, "history/renumbered_ids.sql")
    if not rows or not REKEYED.exceeded_by(moved := rows[0]["moved_titles"], diff.previous):
        return None
    examples = "".join(
        f"\n  {row['title']!r}: {row['old_key']} is now {row['new_key']}" for row in rows
    )
    return (
        f"show_id was renumbered: {moved:,} of {diff.previous:,} titles are there under another "
        f"id. CDC_KEY=title merges such a source by title, type and year.{examples}"
    )
