"""Record what the guard and people decided: passed, refused, accepted, withdrawn, restored.

Each decision is a record (ingest/records.py) with its reason and the limits of that night.
Snapshots, decisions and the contract determine the history: a replay follows the decisions, and
judges only snapshots that have none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields as settings_of
from datetime import datetime
from typing import Any

from config import Settings
from errors import Refused
from ingest.manifest import Batch
from ingest.records import LEFT_OUT, append_record
from ingest.state import loaded_state
from runner.log import utc_now

IN_HISTORY = ("passed", "accepted")
LIMITS = [
    setting.name for setting in settings_of(Settings) if setting.name.endswith(("_rows", "_pct"))
]


def find_verdict(settings: Settings, batch: Batch, cdc_key: str | None = None) -> str | None:
    """Return the last verdict on the snapshot, None if there is none."""
    decision = loaded_state(settings).find_decision(batch.batch_id, cdc_key)
    return decision["verdict"] if decision else None


def record_decision(
    settings: Settings, batch: Batch, verdict: str, reason: str, cdc_key: str | None = None
) -> None:
    """Record a verdict if it is new; with `cdc_key` it holds for that key only."""
    if find_verdict(settings, batch, cdc_key) != verdict:
        write_decision(settings, batch.batch_id, verdict, reason, {"cdc_key": cdc_key})


def record_merge_decision(settings: Settings, batch: Batch, contract: str) -> None:
    """Record that the snapshot is merged, and the fingerprint of the contract used."""
    key, verdict = settings.cdc_key, find_verdict(settings, batch, settings.cdc_key)
    if verdict in IN_HISTORY and contract in loaded_state(settings).contracts:
        return
    kept = verdict if verdict == "accepted" else "passed"
    more = {"cdc_key": None if kept == "accepted" else key, "contracts": [contract]}
    write_decision(settings, batch.batch_id, kept, "merged", more)


def write_decision(
    settings: Settings, subject: str, verdict: str, reason: str, more: dict[str, Any]
) -> None:
    """Add the record of a decision on a snapshot, or on the contract."""
    entry = {
        "batch_id": subject,
        "verdict": verdict,
        "cdc_key": None,
        "decided_at": utc_now().isoformat(timespec="seconds"),
        "reason": reason.splitlines()[0],
        "limits": {name: getattr(settings, name) for name in LIMITS},
    }
    name = f"{{number:06}}-{subject}-{verdict}.json"
    append_record(loaded_state(settings), settings.decisions, name, entry | more)


@contextmanager
def record_refusal(settings: Settings, batch: Batch) -> Iterator[None]:
    """Record that the snapshot is refused if the block raises Refused.

    Later snapshots are then not compared with it. A snapshot that is in the history stays there:
    what is refused is an edit of the contract.
    """
    try:
        yield
    except Refused as error:
        if find_verdict(settings, batch) not in IN_HISTORY:
            record_decision(settings, batch, "refused", str(error))
        raise


def find_refused(settings: Settings, batches: list[Batch]) -> list[Batch]:
    """Return the snapshots that are left out until they are accepted or withdrawn."""
    key = settings.cdc_key
    return [batch for batch in batches if find_verdict(settings, batch, key) == "refused"]


def is_accepted(settings: Settings, batch: Batch) -> bool:
    """Return whether a person accepted the file of this batch, with ACCEPT now or earlier."""
    if settings.accept and batch.source_sha256.startswith(settings.accept):
        return True
    return find_verdict(settings, batch) == "accepted"


def record_acceptance(settings: Settings, batch: Batch, reason: str) -> None:
    """Record that an accepted file passed, and what it would have been refused for."""
    record_decision(settings, batch, "accepted", reason)


def find_baseline(settings: Settings, batches: list[Batch], before: datetime) -> Batch | None:
    """Return the snapshot to compare one of that time with: the last one before it.

    Refused and withdrawn snapshots do not count.
    """
    for batch in reversed(batches):
        sound = find_verdict(settings, batch) not in ("refused", *LEFT_OUT)
        if batch.snapshot_at < before and sound:
            return batch
    return None
