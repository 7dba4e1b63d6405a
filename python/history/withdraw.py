"""Take a snapshot back (`make withdraw BATCH=<id>`), or let it count again (`make restore`).

Shows what that changes and records the decision; the snapshot's files stay. Step 06, which the
targets run next, rebuilds the history as if the snapshot had not come.

Reads:   the records and snapshots of data/raw, the decisions, the warehouse
Writes:  a decision

Example: make withdraw BATCH=20260118T030000Z-0123456789ab
"""

import sys
from dataclasses import replace

from contract import load_contract
from errors import SettingsError
from history.plan import copy_state, show_pending
from ingest.decisions import record_decision
from ingest.manifest import KINDS, Batch, is_left_out, list_batches, verify_snapshot
from ingest.state import check_state
from runner import signals
from runner.options import make_parser
from runner.step import Step, run_step

VERDICTS = {"withdraw": "withdrawn", "restore": "restored"}


def run(step: Step, batch_id: str) -> None:
    settings, verdict = step.settings, VERDICTS[step.name]
    state = check_state(step)
    batches = list_batches(state)
    batch = next((batch for batch in batches if batch.batch_id == batch_id), None)
    in_play = [batch for batch in batches if not is_left_out(state, batch)]
    if not batch:
        newest = in_play[-1].batch_id if in_play else "none"
        raise SettingsError(f"there is no snapshot {batch_id!r}, the newest is {newest}")
    step.batch_id = batch_id
    if (verdict == "withdrawn") == (batch not in in_play):
        step.message = f"{batch_id} is {verdict} already"
        return
    if in_play == [batch]:
        raise SettingsError(
            f"{batch_id} is the only snapshot. Land the right file first, or begin elsewhere: "
            "make run-all DATA_DIR=... WAREHOUSE_PATH=..."
        )
    if verdict == "restored":
        for kind in filter(lambda name: getattr(batch, name), KINDS):
            verify_snapshot(settings.snapshots, batch, kind)
    show_effect(step, batch, verdict)
    record_decision(settings, batch, verdict, f"make {step.name}")
    step.message = f"{batch_id} is {verdict}; after the merge: make run-all audits and publishes"


def show_effect(step: Step, batch: Batch, verdict: str) -> None:
    """Show on a copy what the decision changes in the history; on another engine, do nothing."""
    settings = step.settings
    if settings.warehouse != "duckdb" or not settings.warehouse_path.exists():
        return
    with signals.scratch_folder("netflix-plan-") as scratch:
        copy_state(settings, scratch)
        ours = replace(
            settings,
            data_dir=scratch / "data",
            warehouse_path=scratch / "plan.db",
            log_dir=scratch / "logs",
        )
        record_decision(ours, batch, verdict, "shown only")
        show_pending(ours, load_contract(ours.contract_path, ours.cdc_key))


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=VERDICTS)
    parser.add_argument("batch", help="the snapshot's id, as `make why` and the log name it")
    given = parser.parse_args()
    return run_step(given.what, lambda step: run(step, given.batch), warehouse=False)


if __name__ == "__main__":
    sys.exit(main())
