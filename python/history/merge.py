"""Merge snapshots into the history one by one; check each before and after.

The history is a function of snapshots, decisions and contract. If a snapshot comes late or is
withdrawn, if an edit of the contract changes staged values, or CDC_KEY is another, all snapshots
are replayed in order, in one transaction.
"""

from dataclasses import replace

from config import Settings
from contract import Contract
from errors import Refused, StepError
from history.contract_edit import contract_fingerprint, judge_edit, keep_titles
from history.diff import Diff, find_changes, find_implausible_change
from history.pending import Pending
from history.tables import clear_history
from ingest.decisions import (
    find_verdict,
    is_accepted,
    record_acceptance,
    record_decision,
    record_merge_decision,
)
from ingest.manifest import Batch, verify_snapshot
from runner.step import Step
from staging.build import bind_columns, build_staging, check_staging_limits, find_staged, load_raw
from warehouse.database import Warehouse, fetch_file, run_file


class LateRefused(Refused):
    """After a late snapshot, the next one would change too much."""


def merge_pending(
    step: Step,
    con: Warehouse,
    batches: list[Batch],
    contract: Contract,
    pending: Pending,
    dry_run: bool = False,
) -> list[tuple[Batch, Diff]]:
    """Merge what is pending, in order, without snapshots that are refused; return (batch, diff).

    A late snapshot is also judged by what the next one then changes. With `dry_run`, snapshots that
    the run is for are merged even if the guard objects, so that the plan can show them.

    Raises Refused if the guard refuses a snapshot that the run is for, or an edit of the contract,
    or if a snapshot that was decided on cannot be merged.
    """
    record_origins(con, batches)
    settings, todo = step.settings, pending.todo
    merges: list[tuple[Batch, Diff]] = []
    late: Batch | None = None  # the previous one, if it was judged for the first time
    if (pending.edit or (dry_run and pending.is_replay)) and not pending.is_retry:
        keep_titles(con, settings, contract)
    if pending.is_replay:
        clear_history(con, contract.columns)
    key, merged = settings.cdc_key, () if dry_run else pending.judged
    for batch in todo:  # merged by an older release: no record says that it passed
        if batch.batch_id in merged and not find_verdict(settings, batch, key):
            record_decision(settings, batch, "passed", "merged before", key)
    for batch in todo:
        enforce_limits = batch.batch_id not in pending.judged
        before = late if not (enforce_limits or is_accepted(settings, batch)) else None
        as_staged = len(todo) == 1 and find_staged(con, batch, contract)
        if not as_staged:
            load_raw(con, batch, settings)
        if batch.rejects:
            verify_snapshot(settings.snapshots, batch, "rejects")
        try:
            if not as_staged:
                stage_batch(con, batch, settings, contract, enforce_limits)
            show_only = dry_run and (before or batch) in pending.asked
            diff = merge_batch(con, batch, settings, contract, enforce_limits, show_only, before)
        except Refused as error:
            refused = before if before and isinstance(error, LateRefused) else batch
            if not enforce_limits and refused is batch:
                raise
            record_decision(settings, refused, "refused", str(error), settings.cdc_key)
            if refused in pending.asked:
                raise
            step.warn(f"snapshot {refused.batch_id} is left out of the history: {error}")
            if refused is batch:
                continue
            rest = [one for one in todo if one is not before]  # merge all again without it
            again = replace(pending, todo=rest, is_replay=True, is_retry=True)
            return merge_pending(step, con, batches, contract, again, dry_run)
        if before and diff.objection:  # the late snapshot caused it
            first = merges[-1][1].objection or diff.objection
            merges[-1] = (before, replace(merges[-1][1], objection=first))
            diff = replace(diff, objection=None)
        late = batch if enforce_limits else None
        merges.append((batch, diff))
        if not (pending.edit or dry_run):  # on disk before the merge, for a rebuild to follow it
            record_passed(settings, batch, contract)
    if pending.edit and not dry_run:
        judge_edit(step, con, contract, pending.edit)
        for batch, _ in merges:
            record_passed(settings, batch, contract)
    return merges


def record_origins(con: Warehouse, batches: list[Batch]) -> None:
    """Add the snapshots that ops_origin does not have yet."""
    rows = con.execute("SELECT batch_id FROM ops_origin").fetchall()
    recorded = {batch_id for (batch_id,) in rows}
    for batch in batches:
        if batch.batch_id not in recorded:
            row = [batch.batch_id, batch.snapshot_at, batch.source, batch.sample]
            con.execute("INSERT INTO ops_origin VALUES (?, ?, ?, ?)", row)


def record_passed(settings: Settings, batch: Batch, contract: Contract) -> None:
    record_merge_decision(settings, batch, contract_fingerprint(contract, batch.columns))


def count_ambiguous(con: Warehouse, batch: Batch) -> int:
    """Count the records of a merged snapshot that could be several titles."""
    return con.execute(
        "SELECT count(*) FROM ops_ambiguous_matches WHERE batch_id = ?", [batch.batch_id]
    ).fetchone()[0]


def stage_batch(
    con: Warehouse, batch: Batch, settings: Settings, contract: Contract, enforce: bool
) -> None:
    """Stage the loaded snapshot. Raises Refused if a column is missing or too much is lost."""
    bind_columns(con, batch, contract)
    counts = build_staging(con, batch, contract)
    if enforce:
        check_staging_limits(con, batch, counts, settings)


def merge_batch(
    con: Warehouse,
    batch: Batch,
    settings: Settings,
    contract: Contract,
    enforce_limits: bool,
    dry_run: bool = False,
    late: Batch | None = None,
) -> Diff:
    """Merge the staged snapshot into the history and verify the result.

    Raises Refused if the guard objects and nobody accepted the file, but not in a `dry_run`. If the
    snapshot was judged before and `late` came in front of it, `late` is refused.
    """
    diff = find_changes(con, batch, settings, contract)
    objection = find_implausible_change(con, diff, settings) if enforce_limits or late else None
    if objection and late:
        objection = f"after this file, snapshot {batch.batch_id} is refused: {objection}"
    if objection and not dry_run:
        judged = late or batch
        if not is_accepted(settings, judged):
            advice = "See it with `make plan`; if" if con.has_transactions else "If"
            raise (LateRefused if late else Refused)(
                f"{objection}\n  {advice} it is right: "
                f"make run-all ACCEPT={judged.source_sha256[:12]}"
            )
        record_acceptance(settings, judged, objection)
        if late:  # its merge is on record already
            accept = "UPDATE ops_merges SET accepted = true WHERE batch_id = ?"
            con.execute(accept, [late.batch_id])
    run_file(con, "history/merge.sql", columns=contract.columns)
    if settings.cdc_key == "title":
        run_file(con, "history/level_keys.sql")
    if diff.attributes:
        run_file(con, "history/level_attributes.sql", columns=contract.columns)
    if diff.is_rehashed:
        run_file(con, "history/level_hashes.sql")
    verify_merge(con, batch, diff)
    record_merge(con, batch, settings, diff, contract_fingerprint(contract, batch.columns))
    return replace(diff, objection=objection)


def verify_merge(con: Warehouse, batch: Batch, diff: Diff) -> None:
    """Raise StepError if an invariant of the history does not hold after the merge."""
    differences = fetch_file(con, "history/verify.sql")[0]
    current, carried = differences.pop("current_rows"), differences.pop("carried_rows")
    differences["previous_plus_inserted_minus_deleted_is_current"] = current - diff.current
    broken = [name for name, value in differences.items() if value]
    if broken or carried != diff.counts["carry"]:
        raise StepError(
            f"the merge of {batch.batch_id} breaks an invariant ({', '.join(broken)}): a value was "
            "changed outside the pipeline (`make rebuild` replays the snapshots), or this is a "
            "defect: then please report this line."
        )


def record_merge(
    con: Warehouse, batch: Batch, settings: Settings, diff: Diff, contract: str
) -> None:
    """Write the merge's row in ops_merges; without it, the merge does not count."""
    c = diff.counts
    accepted = find_verdict(settings, batch) == "accepted"
    con.execute(
        "INSERT INTO ops_merges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(batch.batch_id, batch.snapshot_at, settings.cdc_key, " ".join(diff.tracked)),
            *(diff.previous, c["insert"], c["reappear"], c["update"], c["delete"]),
            *(diff.unchanged, c["fill"], c["carry"], diff.current, accepted, contract),
        ],
    )
