"""What would the input file change? The whole run, on a copy in a scratch folder.

Used by `06_merge_cdc.py --plan`. The scratch folder has the warehouse as a copy and the snapshots
as links, so that steps 02 to 05 and the merge run as they will, and nothing of it stays.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from duckdb import DuckDBPyConnection

from config import PROJECT, Settings, load_settings
from contract import load_contract
from errors import DONE, STOPPED, StepError
from history.diff import find_changes
from history.guard import find_implausible_change
from history.merge import (
    clear_history,
    create_tables,
    find_pending,
    merge_batch,
    merge_pending,
    merged_batches,
)
from ingest.decisions import accepts
from ingest.manifest import Batch, read_batches
from runner.console import CYAN, GREEN, RED, YELLOW, say, say_error
from runner.lock import hold_lock
from runner.log import open_log
from runner.step import Step
from staging.build import build_staging
from staging.raw_view import bind_columns, load_raw
from warehouse.duckdb_file import connect, transaction
from warehouse.engine import require_duckdb
from warehouse.sql import fetch_file

STEPS = ("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql")


def show_plan() -> int:
    """Print the plan; 0 where the run would pass, the step's exit code where it would stop."""
    try:
        settings = load_settings()
        require_duckdb(settings, "make plan", "It works on a copy of the warehouse's file.")
        with tempfile.TemporaryDirectory(prefix="netflix-plan-") as folder:
            scratch = Path(folder)
            with hold_lock(settings):
                copy_state(settings, scratch)
            environment = {
                **os.environ,
                "DATA_DIR": str(scratch / "data"),
                "WAREHOUSE_PATH": str(scratch / "plan.db"),
                "LOG_DIR": str(scratch / "logs"),
                "NETFLIX_CSV": settings.source,
            }
            for name in STEPS:
                done = subprocess.run(
                    [sys.executable, str(PROJECT / "python" / f"{name}.py")],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                )
                if done.returncode:
                    say(f"plan      the run would stop here, exit code {done.returncode}", RED)
                    return done.returncode
            return compare_with_history(load_settings(environment))
    except StepError as error:
        say_error(f"plan      stopped: {error}")
        return error.exit_code


def copy_state(settings: Settings, scratch: Path) -> None:
    """The warehouse and the raw layer's records as copies, the snapshots as links."""
    snapshots = scratch / "data" / "raw" / "snapshots"
    snapshots.mkdir(parents=True)
    for source in settings.snapshots.glob("*.parquet"):
        try:
            os.link(source, snapshots / source.name)
        except OSError:  # another file system
            shutil.copyfile(source, snapshots / source.name)
    for source, target in (
        (settings.manifest, scratch / "data" / "raw" / settings.manifest.name),
        (settings.decisions, scratch / "data" / settings.decisions.name),
        (settings.warehouse_path, scratch / "plan.db"),
        (Path(f"{settings.warehouse_path}.wal"), scratch / "plan.db.wal"),
    ):
        if source.exists():
            shutil.copyfile(source, target)


def compare_with_history(settings: Settings) -> int:
    """Merge into the copy, and show what that changes."""
    batches, contract = read_batches(settings.manifest), load_contract(settings.contract_path)
    verdict = None
    con = connect(settings.warehouse_path, settings, [settings.snapshots])
    with open_log(settings, "plan", "plan") as log, transaction(con):
        step = Step("plan", settings, "plan", log, con)
        create_tables(con)
        todo, anew = find_pending(con, batches, settings)
        if not todo:
            say(f"plan      nothing to do: {batches[-1].batch_id} is merged already")
            return DONE
        known = {name for name, key in merged_batches(con) if key == settings.cdc_key}
        if anew:
            clear_history(con)
            say(f"plan      the history would be built anew from {len(todo)} snapshots", CYAN)
        merge_pending(step, con, batches, contract, todo[:-1], known)
        batch = todo[-1]
        load_raw(con, batch, settings)
        bind_columns(con, batch, contract)
        build_staging(con, batch, contract)
        if batch.batch_id not in known:
            verdict = find_implausible_change(
                con, find_changes(con, batch, settings, contract), settings
            )
        merge_batch(con, batch, settings, contract, judge=False)
        con.execute("SET VARIABLE batch_id = ?", [batch.batch_id])
        show_merge(con, batch.source.rpartition("/")[2], batch)
    con.close()
    if verdict and accepts(settings, batch, verdict):
        say(f"plan      ACCEPT lets it pass: {verdict}\nplan      nothing was written", YELLOW)
        return DONE
    if verdict:
        say(f"plan      the guard would stop it: {verdict}", RED)
        say(f"          If it is right: make run-all ACCEPT={batch.source_sha256[:12]}", RED)
        return STOPPED
    say("plan      the guard would let it pass; nothing was written", GREEN)
    return DONE


def show_merge(con: DuckDBPyConnection, name: str, batch: Batch) -> None:
    """Counts, columns and samples of the merge that was made last."""
    done = fetch_file(con, "reports/plan_last_merge.sql")[0]
    added = done["inserted"] + done["reappeared"]
    say(
        f"plan      {name} ({batch.source_sha256[:12]}) against {done['previous_rows']:,} titles\n"
        f"          +{added:,} ~{done['updated']:,} -{done['deleted']:,}, "
        f"{done['unchanged']:,} unchanged, {done['carried']:,} kept though unreadable"
    )
    for row in fetch_file(con, "reports/plan_columns.sql"):
        say(f"          {row['column_name']:<14}{row['titles']:>9,} changed")
    for row in fetch_file(con, "reports/plan_samples.sql"):
        change = f"{row['old_value']!r} -> {row['new_value']!r}" if row["column_name"] else ""
        what = row["column_name"] or row["title"]
        say(f"          {row['operation']:<9}{row['title_id']:<10} {what} {change}"[:160])
