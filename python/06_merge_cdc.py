"""Merge the staged snapshot into the history: which titles are new, changed, gone or back (SCD 2).

Reads:   staging_netflix_titles, the records; raw snapshots, if one came late or several wait
Writes:  analytics_netflix_history (and the views analytics_netflix_current and cdc_netflix_changes
         over it), ops_merges; a decision for each snapshot in data/decisions/
Fails when: nothing was landed yet (exit 2), the change is implausible (too many inserts, updates or
         deletes, renumbered keys; exit 20), or an invariant of the history does not hold (exit 1)

`--plan` shows the changes in advance: it lands, stages and merges in a scratch folder, and writes
nothing.

Example: python python/06_merge_cdc.py --plan    or    make plan
"""

import sys
from datetime import datetime

from contract import load_contract
from history.merge import count_ambiguous, merge_pending
from history.pending import find_pending
from history.tables import create_tables, merged_batches
from ingest.decisions import IN_HISTORY
from ingest.manifest import Batch, landed_batches
from ingest.state import loaded_state
from runner.console import plural
from runner.options import read_flags
from runner.step import Step, run_step
from staging.files import keep_staging, show_staging


def run(step: Step) -> None:
    settings, con = step.settings, step.con
    batches = landed_batches(step)
    batch = batches[-1]
    contract = load_contract(settings.contract_path, settings.cdc_key)
    step.batch_id = batch.batch_id
    create_tables(con, contract.columns)
    pending = find_pending(con, batches, settings, contract)
    was_lost = is_history_lost(step, batches)
    merged_before = {batch_id for batch_id, _, _ in merged_batches(con)}
    show_staging(step, con, read=bool(pending.todo))
    with keep_staging(con, contract.columns):
        merges = merge_pending(step, con, batches, contract, pending)
    step.rows_in = sum(diff.staged for _, diff in merges)
    step.rows_out = con.execute("SELECT count(*) FROM analytics_netflix_current").fetchone()[0]
    if not merges:
        step.message = f"{batch.batch_id} is merged already"
    elif pending.is_replay or was_lost:
        step.message = f"history rebuilt from {plural(len(merges), 'snapshot')}"
        if was_lost:
            step.warn(f"the warehouse was not there; {step.message}")
        else:
            new = [str(diff) for merged, diff in merges if merged.batch_id not in merged_before]
            step.message += f", the new one: {'; '.join(new)}" if new else ""
            step.note(step.message)
    else:
        step.message = "; ".join(str(diff) for _, diff in merges)
    for merged, _ in merges:
        if ambiguous := count_ambiguous(con, merged):
            step.warn(
                f"{ambiguous:,} record(s) of {merged.batch_id} could be several titles and were "
                "not merged; see ops_ambiguous_matches"
            )


def is_history_lost(step: Step, batches: list[Batch]) -> bool:
    """Whether nothing is merged though snapshots were, before this warehouse had its first run."""
    if merged_batches(step.con):
        return False
    first_run = step.con.execute("SELECT min(started_at) FROM ops_runs").fetchone()[0]
    made_at = (first_run or step.started_at).replace(microsecond=0, tzinfo=None)
    state = loaded_state(step.settings)
    decisions = [state.find_decision(batch.batch_id) for batch in batches]
    return any(
        decision["verdict"] in IN_HISTORY
        and datetime.fromisoformat(decision["decided_at"]) < made_at
        for decision in decisions
        if decision
    )


def main() -> int:
    if not read_flags(__doc__, plan="show the changes, write nothing").plan:
        return run_step("merge", run)
    from history.plan import show_plan

    return show_plan()


if __name__ == "__main__":
    sys.exit(main())
