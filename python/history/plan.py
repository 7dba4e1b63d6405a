"""Show what the input file would change: the whole run, on a copy in a scratch folder.

Used by `06_merge_cdc.py --plan`. The scratch folder has the warehouse as a copy and the snapshots
as links. So steps 02 to 05 and the merge run as they will, and nothing of it stays.
"""

import os
import shutil
import sys
from pathlib import Path
from subprocess import DEVNULL

from config import PROJECT, Settings, load_settings
from contract import load_contract
from errors import DONE, STOPPED, StepError
from history.diff import Diff
from history.merge import clear_history, create_tables, find_pending, merge_pending
from ingest.decisions import is_accepted
from ingest.manifest import Batch, read_batches
from runner import signals
from runner.console import CYAN, GREEN, RED, YELLOW, say, say_error
from runner.lock import PLAN, hold_lock
from runner.log import open_log
from runner.step import Step
from warehouse.database import Warehouse, connect, fetch_file, require_duckdb, transaction

STEPS = ("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql")


def show_plan() -> int:
    """Print the plan; 0 where the run would pass, the step's exit code where it would stop."""
    signals.watch("plan")
    try:
        settings = load_settings()
        require_duckdb(settings, "make plan", "It works on a copy of the warehouse's file.")
        with signals.scratch_folder("netflix-plan-") as scratch:
            with hold_lock(settings, PLAN):
                copy_state(settings, scratch)
            environment = {
                **os.environ,
                "DATA_DIR": str(scratch / "data"),
                "WAREHOUSE_PATH": str(scratch / "plan.db"),
                "LOG_DIR": str(scratch / "logs"),
                "NETFLIX_CSV": settings.source,
            }
            for name in STEPS:
                command = [sys.executable, str(PROJECT / "python" / f"{name}.py")]
                if code := signals.call(command, env=environment, stdout=DEVNULL):
                    say(f"plan      the run would stop here, exit code {code}", RED)
                    return code
            return compare_with_history(load_settings(environment))
    except StepError as error:
        say_error(f"plan      stopped: {error}")
        return error.exit_code


def copy_state(settings: Settings, scratch: Path) -> None:
    """Copy the warehouse and the raw layer's records, and link the snapshots."""
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
    batches, contract = (
        read_batches(settings.manifest),
        load_contract(settings.contract_path, settings.cdc_key),
    )
    con = connect(settings.warehouse_path, settings, [settings.snapshots])
    with open_log(settings, "plan", "plan") as log, transaction(con):
        step = Step("plan", settings, "plan", log, con)
        create_tables(con)
        todo, merged_ids, anew = find_pending(con, batches, settings)
        if not todo:
            say(f"plan      nothing to do: {batches[-1].batch_id} is merged already")
            return DONE
        if anew:
            clear_history(con)
            say(f"plan      the history would be built anew from {len(todo)} snapshots", CYAN)
        merges = merge_pending(step, con, batches, contract, todo, merged_ids, dry_run=True)
        batch, diff = merges[-1]
        show_merge(con, batch, diff)
    con.close()
    if diff.objection and is_accepted(settings, batch):
        say(f"plan      ACCEPT lets it pass: {diff.objection}", YELLOW)
        say("plan      nothing was written", YELLOW)
        return DONE
    if diff.objection:
        say(f"plan      the guard would stop it: {diff.objection}", RED)
        say(f"          If it is right: make run-all ACCEPT={batch.source_sha256[:12]}", RED)
        return STOPPED
    say("plan      the guard would let it pass; nothing was written", GREEN)
    return DONE


def show_merge(con: Warehouse, batch: Batch, diff: Diff) -> None:
    """Show the counts, columns and samples of the merge that was made last."""
    c = diff.counts
    say(
        f"plan      {batch.source.rpartition('/')[2]} ({batch.source_sha256[:12]}) against "
        f"{diff.previous:,} titles\n"
        f"          +{c['insert'] + c['reappear']:,} ~{c['update']:,} -{c['delete']:,}, "
        f"{diff.unchanged:,} unchanged, {c['fill']:,} filled, "
        f"{c['carry']:,} kept though unreadable"
    )
    for row in fetch_file(con, "reports/plan_columns.sql"):
        say(f"          {row['column_name']:<14}{row['titles']:>9,} changed")
    for row in fetch_file(con, "reports/plan_samples.sql"):
        change = f"{row['old_value']!r} -> {row['new_value']!r}" if row["column_name"] else ""
        what = row["column_name"] or row["title"]
        say(f"          {row['operation']:<9}{row['title_id']:<10} {what} {change}"[:160])
