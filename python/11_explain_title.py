"""Show every version of a title, and the file and line that each came from.

Reads:   analytics_netflix_history, cdc_netflix_changes, staging_netflix_quarantine, the records
Writes:  nothing
Fails when: no KEY is given, it is unknown, or nothing was merged yet (exit 2).

KEY is a show_id, a title_id or a title; of a part of a title, the titles are listed that have it.

Example: python python/11_explain_title.py s123    or    make why KEY=s123
"""

import sys

from config import load_settings
from errors import DONE, NotReady, SettingsError, StepError
from ingest.manifest import Batch, read_batches
from operations.status import open_for_reading
from runner import signals
from runner.console import BOLD, CYAN, RED, YELLOW, printable, quote, say, say_error
from runner.options import make_parser
from staging.files import fetch_quarantined
from warehouse.columns import KNOWN
from warehouse.database import Warehouse, fetch_file, has_tables, has_warehouse, set_variables


def explain(con: Warehouse, key: str, batches: dict[str, Batch]) -> bool:
    """Print all that is known of the titles that `key` names; return whether there were any."""
    set_variables(con, {"wanted": key})
    changes: dict[tuple, list[dict]] = {}
    for row in fetch_file(con, "reports/why_changes.sql"):
        changes.setdefault((row["title_id"], row["changed_at"]), []).append(row)
    title_id = None
    versions = fetch_file(con, "reports/why_versions.sql", KNOWN)
    for row in versions:
        if row["title_id"] != title_id:
            title_id = row["title_id"]
            say(f"{title_id}  {row['title']} ({row['type']}, {row['release_year']})", BOLD)
        until = f"{row['valid_to']:%Y-%m-%d %H:%M}" if row["valid_to"] else "now"
        batch = batches.get(row["batch_id"])
        source = batch.source if batch else "(its record is missing)"
        say(
            f"  {row['valid_from']:%Y-%m-%d %H:%M} to {until:<16}  {row['operation']:<8}  "
            f"show_id {row['show_id']}, {source} line {row['source_line']}, "
            f"batch {row['batch_id']}"
        )
        for change in changes.get((title_id, row["valid_from"]), []):
            if change["column_name"]:
                say(
                    f"      {change['column_name']}: {quote(change['old_value'])} -> "
                    f"{quote(change['new_value'])}",
                    CYAN,
                )
        if row["repairs"]:
            say(f"      repaired on the way in: {row['repairs']}", YELLOW)
        if row["end_operation"] == "delete":
            say(f"      gone from the catalogue with batch {row['end_batch_id']}", RED)
    held = fetch_quarantined(con, "reports/why_quarantine.sql")
    for row in held:
        say(
            f"  in quarantine: {row['rule']} ({row['column_name']} = {quote(row['raw_value'])}, "
            f"line {row['source_line']} of batch {row['batch_id']}), since "
            f"{row['first_seen_at']:%Y-%m-%d}; the last good version stays",
            YELLOW,
        )
    return bool(versions or held)


def describe_unknown(con: Warehouse, key: str) -> str:
    similar = fetch_file(con, "reports/why_similar.sql")
    titles = "".join(f"\n  {row['title_id']:<9} {printable(row['title'])}" for row in similar)
    part = f". These titles have it as a part:{titles}" if titles else " or a part of one"
    return f"nothing is known of {key!r}: KEY takes a show_id, a title_id, a title{part}"


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("key", nargs="?", metavar="KEY", help="a show_id, title_id or title")
    key = parser.parse_args().key
    signals.watch("why")
    try:
        if not key:
            raise SettingsError("name one title: make why KEY=s123 (a show_id, title_id or title)")
        settings = load_settings()
        if not has_warehouse(settings):
            raise NotReady(f"there is no warehouse {settings.warehouse_path}; run `make run-all`")
        batches = {batch.batch_id: batch for batch in read_batches(settings)}
        with open_for_reading(settings) as con:
            if not has_tables(con, "ops_merges"):
                raise NotReady("nothing was merged yet; run `make run-all` first")
            if not explain(con, key, batches):
                raise SettingsError(describe_unknown(con, key))
        return DONE
    except StepError as error:
        say_error(f"why       stopped: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
