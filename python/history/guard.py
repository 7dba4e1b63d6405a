"""Why a change is implausible."""

from duckdb import DuckDBPyConnection

from config import Limit, Settings, share
from history.diff import Diff
from warehouse.sql import fetch_file

REKEYED = Limit(rows=20, pct=5)  # no publisher corrects that many titles at once


def find_implausible_change(con: DuckDBPyConnection, found: Diff, settings: Settings) -> str | None:
    """Why this change is implausible, or None. There is nothing to compare a first load with."""
    if not found.previous:
        return None
    if settings.cdc_key == "show_id" and (verdict := find_renumbered_ids(con, found)):
        return verdict
    counts = found.counts
    added = counts["insert"] + counts["reappear"]
    for what, count, rows, pct in (
        ("deletes", counts["delete"], settings.max_deleted_rows, settings.max_deleted_pct),
        ("inserts", added, settings.max_inserted_rows, settings.max_inserted_pct),
        ("updates", found.updated_content, settings.max_updated_rows, settings.max_updated_pct),
    ):
        if Limit(rows, pct).exceeded_by(count, found.previous):
            return (
                f"the file {what} {count:,} of {found.previous:,} titles "
                f"({share(count, found.previous):.1f} %); allowed are {rows:,} and {pct:g} %."
            )
    return None


def find_renumbered_ids(con: DuckDBPyConnection, found: Diff) -> str | None:
    """Whether many titles are there under another key than before: then no key means anything."""
    if not REKEYED.exceeded_by(found.counts["update"] + found.counts["delete"], found.previous):
        return None
    rows = fetch_file(con, "history/renumbered_ids.sql")
    if not rows or not REKEYED.exceeded_by(moved := rows[0]["moved_titles"], found.previous):
        return None
    examples = "".join(
        f"\n  {row['title']!r}: {row['old_key']} is now {row['new_key']}" for row in rows
    )
    return (
        f"show_id was renumbered: {moved:,} of {found.previous:,} titles are there under another "
        f"id. CDC_KEY=title merges such a source by title, type and year.{examples}"
    )
