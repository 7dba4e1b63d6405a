"""Show what the input file would change, by a run on a copy in a scratch folder.

Used by `06_merge_cdc.py --plan`. The scratch folder has a copy of the warehouse and links to the
snapshots. Steps 02 to 05 and the merge run there as they would, and nothing of it stays.
"""

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL

from config import PROJECT, Settings, load_settings
from contract import Contract, load_contract
from errors import DONE, STOPPED, StepError
from history.contract_edit import compare_titles, find_objection, is_edit_accepted, name_commands
from history.diff import Diff
from history.merge import merge_pending
from history.pending import Pending, find_pending
from history.tables import create_tables, merged_batches
from ingest.decisions import is_accepted
from ingest.manifest import Batch, landed_batches
from ingest.source import require_source
from runner import signals
from runner.console import CYAN, GREEN, PLAIN, RED, YELLOW, plural, quote, say, say_error
from runner.lock import PLAN, hold_lock
from runner.log import open_log
from runner.redact import complete_command, describe_given
from runner.step import Step
from staging.files import show_staging
from warehouse.database import (
    Warehouse,
    connect,
    fetch_file,
    require_duckdb,
    run_file,
    set_variables,
    transaction,
)
from warehouse.places import find_log, find_staging

STEPS = ("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql")


def show_plan() -> int:
    """Print the plan; return 0 if the run would pass, else the exit code it would stop with."""
    signals.watch("plan")
    try:
        settings = load_settings()
        require_source(settings)  # the scratch folder has no default place
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
                "RUN_ID": "plan",
                "GIVEN_SETTINGS": describe_given(),
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
    """Copy the warehouse and the records (and lists of an older version); link the other files."""
    data = scratch / "data"
    for folder, target in (
        (settings.snapshots, data / settings.snapshots.relative_to(settings.data_dir)),
        (settings.decisions, data / settings.decisions.relative_to(settings.data_dir)),
        (find_staging(settings.warehouse_path), find_staging(scratch / "plan.db")),
    ):
        target.mkdir(parents=True)
        for source in folder.glob("[!.]*"):
            try:
                os.link(source, target / source.name)
            except OSError:  # another file system
                shutil.copyfile(source, target / source.name)
    for source, target in (
        (settings.manifest, data / "raw" / settings.manifest.name),
        (settings.data_dir / "decisions.jsonl", data / "decisions.jsonl"),
        (settings.warehouse_path, scratch / "plan.db"),
        (find_log(settings.warehouse_path), find_log(scratch / "plan.db")),
    ):
        if source.exists():
            shutil.copyfile(source, target)


def compare_with_history(settings: Settings) -> int:
    """Merge into the copy; show what that changes and what the guard says."""
    contract = load_contract(settings.contract_path, settings.cdc_key)
    batch, diff, objection = show_pending(settings, contract)
    if objection and not is_edit_accepted(settings, contract):
        commands = complete_command(name_commands(contract))
        say(f"plan      the guard would stop it: {objection}\n  {commands}", RED)
        return STOPPED
    if objection:
        say(f"plan      ACCEPT lets it pass: {objection}", YELLOW)
    if not (batch and diff):
        return DONE
    if diff.objection and is_accepted(settings, batch):
        say(f"plan      ACCEPT lets it pass: {diff.objection}", YELLOW)
        say("plan      nothing was written", YELLOW)
        return DONE
    if diff.objection:
        say(f"plan      the guard would stop it: {diff.objection}", RED)
        command = complete_command(f"make run-all ACCEPT={batch.source_sha256[:12]}")
        say(f"          If it is right: {command}", RED)
        return STOPPED
    say("plan      the guard would let it pass; nothing was written", GREEN)
    return DONE


def show_pending(
    settings: Settings, contract: Contract
) -> tuple[Batch | None, Diff | None, str | None]:
    """Merge what is pending and show it.

    Return the snapshot that the run is for, its diff, and the guard's objection to a replay.
    """
    con = connect(settings.warehouse_path, settings, [settings.snapshots])
    with closing(con), open_log(settings, "plan", "plan") as log, transaction(con):
        step = Step("plan", settings, "plan", log, con)
        run_file(con, "ops.sql")
        batches = landed_batches(step)
        create_tables(con, contract.columns)
        show_staging(step, con, read=True)
        pending = find_pending(con, batches, settings, contract)
        if not (pending.todo or pending.is_replay):
            say(f"plan      nothing to do: {describe_file(con, batches)}")
            return None, None, None
        known = {batch_id for batch_id, _, _ in merged_batches(con)}
        merges = merge_pending(step, con, batches, contract, pending, dry_run=True)
        objection = show_replay(con, settings, contract, pending) if pending.is_replay else None
        if not merges:
            return None, None, objection
        late = [merge for merge in merges[:-1] if merge[0] in pending.asked]
        stops = [m for m in merges if m[1].objection and not is_accepted(settings, m[0])]
        batch, diff = stops[0] if stops else (late or merges)[-1]
        if diff.objection or batch.batch_id not in known:  # else it is the replay that changes
            set_variables(con, {"batch_id": batch.batch_id})
            show_merge(con, batch, diff)
        return batch, diff, objection


def describe_file(con: Warehouse, batches: list[Batch]) -> str:
    """Say why the input file changes nothing; a decision that is shown has no file."""
    query = "SELECT batch_id FROM ops_runs WHERE run_id = 'plan' AND step = 'raw'"
    for (batch_id,) in con.execute(query).fetchall():
        in_play = batch_id in [batch.batch_id for batch in batches]
        return f"{batch_id} is {'merged already' if in_play else 'withdrawn'}"
    return "the history stays as it is"


def show_replay(
    con: Warehouse, settings: Settings, contract: Contract, pending: Pending
) -> str | None:
    """Show what the replay changes in the catalogue; return why the guard objects to an edit."""
    diff = compare_titles(con, contract)
    why = f", as {pending.edit}" if pending.edit else ""
    count = plural(len(pending.todo), "snapshot")
    say(f"plan      the history would be replayed from {count}{why}", CYAN)
    say(f"          {diff}")
    for counts, what, colour in (
        (diff.columns, "changed", PLAIN),
        (diff.added, "values come, the column is new", PLAIN),
        (diff.removed, "values go, the column is not in the contract now", YELLOW),
    ):
        for name, titles in counts.items():
            say(f"          {name:<14}{titles:>9,} {what}", colour)
    return find_objection(diff, settings, pending.edit) if pending.edit else None


def show_merge(con: Warehouse, batch: Batch, diff: Diff) -> None:
    """Show the counts, columns and samples of the last merge."""
    c = diff.counts
    say(
        f"plan      {batch.source.rpartition('/')[2]} ({batch.source_sha256[:12]}) against "
        f"{diff.previous:,} titles\n"
        f"          +{c['insert'] + c['reappear']:,} ~{c['update']:,} -{c['delete']:,}, "
        f"{diff.unchanged:,} unchanged, {c['fill']:,} filled, "
        f"{c['carry']:,} carried forward"
    )
    for row in fetch_file(con, "reports/plan_columns.sql"):
        say(f"          {row['column_name']:<14}{row['titles']:>9,} changed")
    for row in fetch_file(con, "reports/plan_samples.sql"):
        change = (
            f"{quote(row['old_value'])} -> {quote(row['new_value'])}" if row["column_name"] else ""
        )
        what = row["column_name"] or row["title"]
        say(f"          {row['operation']:<9}{row['title_id']:<10} {what} {change}"[:160])
