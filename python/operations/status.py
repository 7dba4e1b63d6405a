"""Show the last run of each step, counts, freshness, open failures and sizes (`make status`).

Reads the warehouse (read-only), the snapshots' records, data/alerts/state.json, the crontab and
file sizes; writes nothing.

Example: make status    or    make open
"""

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cronsim import CronSim, CronSimError

from config import Settings, __version__, load_settings
from errors import DONE, LockedError, NotReady, StepError
from ingest.decisions import find_refused
from ingest.manifest import read_batches
from operations import alerts, cron
from runner import signals
from runner.console import BOLD, PLAIN, RED, YELLOW, say, say_error
from runner.log import utc_now
from runner.options import read_flags
from runner.redact import add_given
from warehouse.database import (
    Warehouse,
    connect,
    fetch_file,
    has_tables,
    has_warehouse,
    open_warehouse,
    set_variables,
)
from warehouse.places import find_staging

FEWEST, RECENT = 3, 30  # nights from which a year is estimated, as in status_counts.sql
ORDER = ("raw", "load", "schema", "staging", "merge", "monitor", "analytics", "publish")


def main() -> int:
    wants_page = read_flags(__doc__, open="print where the page is, and show it").open
    signals.watch("status")
    try:
        settings = load_settings()
        if wants_page:
            return open_page(settings)
        say(f"version    {__version__}")
        counts = show_warehouse(settings)
        show_alerts(settings)
        show_refused(settings)
        show_cron(settings)
        show_disk(settings)
        if counts:
            show_next_year(settings, counts)
        return DONE
    except StepError as error:
        say_error(f"status    stopped: {error}")
        return error.exit_code


def open_page(settings: Settings) -> int:
    """Print where the dashboard is; open it if there is a desktop."""
    path = settings.published / "dashboard.html"
    if not path.exists():
        raise NotReady(f"there is no {path} yet; run `make run-all` first")
    say(str(path))
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(path.as_uri())
    return DONE


def show_warehouse(settings: Settings) -> dict[str, Any] | None:
    """Show what the warehouse holds; return the counts, None if nothing was merged."""
    if not has_warehouse(settings):
        say(f"There is no warehouse at {settings.warehouse_path} yet: make run-all", YELLOW)
        return None
    with open_for_reading(settings) as con:
        if not has_tables(con, "ops_runs"):
            say("There is nothing in the warehouse yet: make run-all", YELLOW)
            return None
        set_variables(con, {"checked_at": utc_now()})
        runs = {row["step"]: row for row in fetch_file(con, "reports/status_runs.sql")}
        say("step       status   finished (UTC)       seconds          rows  message", BOLD)
        for step in sorted(runs, key=lambda name: ORDER.index(name) if name in ORDER else 99):
            row = runs[step]
            count = "" if row["rows_out"] is None else f"{row['rows_out']:,}"
            seconds = (row["finished_at"] - row["started_at"]).total_seconds()
            message = str(row["message"] or "").split("\n")[0][:90]
            say(
                f"{step:<10} {row['status']:<7}  {row['finished_at']:%Y-%m-%d %H:%M:%S}  "
                f"{seconds:>7.2f}  {count:>12}  {message}",
                RED if row["status"] == "failed" else PLAIN,
            )
        known = has_tables(con, "ops_origin")
        if known and con.execute("SELECT count(*) FROM ops_origin WHERE is_sample").fetchone()[0]:
            say("\nsample     every title is made up; `make clean-sample` removes them", YELLOW)
        merged = has_tables(con, "ops_merges")
        counts = fetch_file(con, "reports/status_counts.sql") if merged else []
        for row in counts:
            say(
                f"\ncurrent    {row['titles']:,} titles ({row['movies']:,} movies, "
                f"{row['shows']:,} TV shows) of {row['snapshot_at']:%Y-%m-%d %H:%M} UTC, "
                f"{row['versions']:,} versions from {row['merges']:,} snapshot(s)\n"
                f"fresh      snapshot {row['snapshot_days']} day(s) old; newest title added "
                f"{row['newest_added_date'] or 'never'}"
            )
        return counts[0] if counts else None


@contextmanager
def open_for_reading(settings: Settings) -> Iterator[Warehouse]:
    """Open the warehouse read-only, or the published copy while a step has the warehouse.

    Raises LockedError if there is no copy and the step does not finish soon.
    """
    copy = settings.published / "netflix.duckdb"
    try:
        con = open_warehouse(settings, read_only=True, waits=not copy.exists())
    except LockedError:
        if not copy.exists():
            raise
        con = connect(copy, settings, read_only=True)
        say("A run is at work; this is the version that was published last.", YELLOW)
    with closing(con):
        yield con


def show_alerts(settings: Settings) -> None:
    state = alerts.read_state(settings)
    failures = {**state["run"], **state["audit"]}
    say(f"open       {len(failures)} failure(s), {len(state['warnings'])} warning(s)")
    for colour, texts in ((RED, failures), (YELLOW, state["warnings"])):
        for text in texts.values():
            for line in text.split("\n")[:4]:  # a check with its first rows
                say(f"           {add_given(line)}", colour)
    if waiting := alerts.list_spooled(settings):
        say(f"           {len(waiting)} alert(s) wait for their receiver", YELLOW)


def show_refused(settings: Settings) -> None:
    """Name the snapshots that are left out of the history, by their records: no audit is needed."""
    for batch in find_refused(settings, read_batches(settings)):
        text = (
            f"left out   snapshot {batch.batch_id} was refused; "
            f"`make run-all ACCEPT={batch.source_sha256[:12]}` or "
            f"`make withdraw BATCH={batch.batch_id}`"
        )
        say(add_given(text), YELLOW)


def show_cron(settings: Settings) -> None:
    if not cron.is_installed():
        say("cron       not installed: make cron-install")
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    for name, fields in (("run-all", settings.schedule), ("monitor", settings.monitor_schedule)):
        moment = find_next_time(fields, now)
        shown = f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
        say(f"cron       next {name}: {shown} ({fields})")


def find_next_time(fields: str, after: datetime) -> datetime | None:
    """Return the first time after `after` that five crontab fields name, None if never."""
    try:
        return next(CronSim(fields, after), None)
    except CronSimError:  # no day has these fields, like February 30, or cron refuses them
        return None


def show_disk(settings: Settings) -> None:
    sizes = ", ".join(
        f"{name} {count_bytes(path) / 1e6:,.1f} MB"
        for name, path in (
            ("warehouse", settings.warehouse_path),
            ("staging", find_staging(settings.warehouse_path)),
            ("snapshots", settings.snapshots),
            ("published", settings.published),
            ("logs", settings.log_dir),
        )
    )
    say(f"disk       {sizes}")


def show_next_year(settings: Settings, counts: dict[str, Any]) -> None:
    """Estimate what 365 more nights would add; published versions and logs do not accumulate."""
    paths = settings.snapshots.glob("*.parquet")
    sizes = [path.stat().st_size for path in sorted(paths)[-RECENT:]]
    if len(sizes) < FEWEST:
        return
    snapshots = 365 * sum(sizes) / len(sizes)
    size = count_bytes(settings.warehouse_path) / max(counts["versions"], 1)
    warehouse = 365 * float(counts["versions_a_night"] or 0) * size
    say(
        f"a year     of nights like the last {len(sizes)} adds {snapshots / 1e6:,.0f} MB of "
        f"snapshots and {warehouse / 1e6:,.0f} MB of warehouse"
    )


def count_bytes(path: Path) -> int:
    """Sum the bytes of a file, or of all files below a folder, without links."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(p.stat().st_size for p in paths if p.is_file() and not p.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
