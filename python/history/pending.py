"""Find what is to be merged: decisions and contract against the merges on record."""

from dataclasses import dataclass

from config import Settings
from contract import Contract
from history.contract_edit import contract_fingerprint
from history.tables import merged_batches
from ingest.decisions import IN_HISTORY, find_verdict, is_accepted
from ingest.manifest import Batch
from warehouse.database import Warehouse


@dataclass(frozen=True)
class Pending:
    """What to merge, in order."""

    todo: list[Batch]
    judged: set[str]  # ids of snapshots that were decided on: no limit stops them
    asked: tuple[Batch, ...] = ()  # those that the run is for: it stops if one is refused
    is_replay: bool = False  # the history is emptied first; todo has all that belong in it
    edit: str | None = None  # why the guard has to judge what the replay changes
    is_retry: bool = False  # a late snapshot was merged in this run, and is left out now


def find_pending(
    con: Warehouse, batches: list[Batch], settings: Settings, contract: Contract
) -> Pending:
    """Compare what the decisions let into the history with what is merged.

    A refused snapshot is left out, unless ACCEPT names it or the run is for it: then it is judged
    again, as contract or settings may have changed.
    """
    asked = find_asked(settings, batches)
    key = settings.cdc_key
    verdicts = {batch.batch_id: find_verdict(settings, batch, key) for batch in batches}
    eligible = [
        batch
        for batch in batches
        if verdicts[batch.batch_id] != "refused" or batch in asked or is_accepted(settings, batch)
    ]
    done = merged_batches(con)
    judged = {name for name, verdict in verdicts.items() if verdict in IN_HISTORY}
    judged |= {name for name, by, _ in done if by == key and verdicts.get(name) != "refused"}
    expected = [
        (batch.batch_id, key, contract_fingerprint(contract, batch.columns)) for batch in eligible
    ]
    if done == expected[: len(done)]:
        return Pending(eligible[len(done) :], judged, asked)
    by_contract = {(name, by): fingerprint for name, by, fingerprint in done}
    edited = {by_contract.get((name, by), new) for name, by, new in expected} - {
        new for _, _, new in expected
    }
    return Pending(eligible, judged, asked, is_replay=True, edit=describe_edit(edited))


def find_asked(settings: Settings, batches: list[Batch]) -> tuple[Batch, ...]:
    """Return the snapshots that this run is for: if one is refused, it stops.

    These are the newest, that of SNAPSHOT_AT, and the one landed last if it was not judged yet.
    """
    time = settings.snapshot_at and settings.snapshot_at.replace(microsecond=0)
    last = max(batches, key=lambda batch: batch.landed_at)
    is_judged = find_verdict(settings, last, settings.cdc_key)
    return tuple(
        batch
        for batch in batches
        if batch is batches[-1] or batch.snapshot_at == time or (batch is last and not is_judged)
    )


def describe_edit(fingerprints: set[str | None]) -> str | None:
    """Say why the merged snapshots have other contracts; None if they have not."""
    if None in fingerprints:
        return "an older version of this project made the history"
    return "the contract was edited" if fingerprints else None
