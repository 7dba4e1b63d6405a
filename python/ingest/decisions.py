"""Which snapshots a person, or the pipeline, kept out of the history or let into it.

One JSON line per verdict in data/decisions.jsonl. The raw layer and these lines together determine
the history: a replay skips what was refused and lets pass what was accepted. A snapshot without a
line, or one that "passed" after it was refused, is judged on its own merits.
"""

import json
from pathlib import Path

from config import Settings
from errors import Refused
from ingest.manifest import Batch
from runner.files import replace_atomically
from runner.log import utc_now


def latest_decisions(path: Path, cdc_key: str | None = None) -> dict[str, str]:
    """Batch id -> its last verdict: accepted, refused or passed.

    With `cdc_key` without the verdicts that hold for merging by the other key only: renumbered ids
    are no reason to leave a snapshot out of a history by title.
    """
    if not path.exists():
        return {}
    verdicts = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            if cdc_key is None or entry.get("cdc_key") in (None, cdc_key):
                verdicts[entry["batch_id"]] = entry["verdict"]
        except (ValueError, KeyError, TypeError):
            raise Refused(
                f"{path} line {number} is damaged; nothing was changed. Restore the file from a "
                "backup, or remove the line: the snapshot is then judged again."
            ) from None
    return verdicts


def record_decision(
    path: Path, batch: Batch, verdict: str, reason: str, cdc_key: str | None = None
) -> None:
    """Record a verdict, where it is a new one; with `cdc_key` it holds for that key only."""
    if latest_decisions(path, cdc_key).get(batch.batch_id) == verdict:
        return
    entry = {
        "batch_id": batch.batch_id,
        "verdict": verdict,
        "cdc_key": cdc_key,
        "decided_at": utc_now().isoformat(timespec="seconds"),
        "reason": reason.splitlines()[0],
    }
    lines = path.read_text(encoding="utf-8") if path.exists() else ""
    with replace_atomically(path) as temporary:
        temporary.write_text(lines + json.dumps(entry) + "\n", encoding="utf-8")


def is_accepted(settings: Settings, batch: Batch) -> bool:
    """Whether a person let the file that this batch was made of pass, with ACCEPT now or before."""
    named = bool(settings.accept) and batch.source_sha256.startswith(settings.accept)
    return named or latest_decisions(settings.decisions).get(batch.batch_id) == "accepted"


def record_acceptance(settings: Settings, batch: Batch, reason: str) -> None:
    """Record that an accepted file passed, and what it would else have been refused for."""
    record_decision(settings.decisions, batch, "accepted", reason)
