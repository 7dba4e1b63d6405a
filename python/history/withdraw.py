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
from history.tables import drop_publishable_mark
from ingest.decisions import record_decision
from ingest.manifest import KINDS, Batch, is_left_out, list_batches, verify_snapshot
from ingest.state import check_state
from runner import signals
from runner.options import make_parser
from runner.step import Step, run_step

DIGITS, SHOWN = 12, 20  # of a SHA-256, at least; ids in a message, the newest
VERDICTS = {"withdraw": "withdrawn", "restore": "restored"}


def run(step: Step, wanted: str) -> None:
    settings, verdict = step.settings, VERDICTS[step.name]
    state = check_state(step)
    batches = list_batches(state)
    batch = find_batch(batches, wanted, step.name)
    in_play = [batch for batch in batches if not is_left_out(state, batch)]
    step.batch_id = batch_id = batch.batch_id
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
    step.at_end.append(drop_publishable_mark)
    step.message = f"{batch_id} is {verdict}; after the merge: make run-all audits and publishes"


def find_batch(batches: list[Batch], wanted: str, command: str) -> Batch:
    """Find a snapshot by its id, a start of it, or what ACCEPT takes: 12 digits of the SHA-256.

    Raises SettingsError unless it is exactly one.
    """
    if not wanted:
        disk = " After a lost disk, copy the backup to data/, then: `make rebuild`"
        raise SettingsError(
            f"which snapshot? make {command} BATCH= takes its id, the start of it, or the 12 "
            f"digits at its end.{disk * (command == 'restore')}"
        )
    matches = [
        batch
        for batch in batches
        if batch.batch_id.startswith(wanted)
        or (len(wanted) >= DIGITS and batch.source_sha256.startswith(wanted.lower()))
    ]
    if len(matches) == 1:
        return matches[0]
    ids = "".join(f"\n  {batch.batch_id}" for batch in (matches or batches)[-SHOWN:])
    if matches:
        raise SettingsError(f"{wanted!r} could be any of these:{ids}")
    raise SettingsError(f"there is no snapshot {wanted!r}; there are:{ids or ' none'}")


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
    parser.add_argument("batch", help="the snapshot's id, the start of it, or 12 digits")
    given = parser.parse_args()
    return run_step(given.what, lambda step: run(step, given.batch), warehouse=False)


if __name__ == "__main__":
    sys.exit(main())
