"""Take over a data folder from before there were records: manifest.jsonl and decisions.jsonl.

Each line becomes a record, in order. Lines that have one are skipped, so a run that died can be
repeated. The lists stay as *.taken-over. A text takes the manifest's place, at which older versions
of this project stop; without a manifest they would remove every snapshot.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

from config import Settings
from errors import StateError
from ingest.records import State, append_record, read_state
from runner.files import replace_atomically, sha256, sync

NOTICE = (
    "Each snapshot has a sealed file of its own in snapshots/ now, and each decision has one in "
    "../decisions/. Older versions of netflix-elt-pipeline cannot work in this folder.\n"
)


def take_over_lists(settings: Settings) -> None:
    """Turn the old lists into records, if there are any. Raises StateError for a damaged line."""
    manifest, old_decisions = settings.manifest, settings.data_dir / "decisions.jsonl"
    if is_noticed(manifest) and not old_decisions.exists():
        return
    state = read_state(settings)
    if manifest.exists() and not is_noticed(manifest) and not is_complete(state):
        take_over_snapshots(settings, state, read_manifest(manifest))
    if old_decisions.exists():
        take_over_decisions(settings, state, read_decisions(old_decisions))
        os.replace(old_decisions, f"{old_decisions}.taken-over")
        sync(settings.data_dir)
    if state.records:
        write_notice(settings)


def read_old_lines(settings: Settings) -> list[dict]:
    """Return the lines of a manifest that was not taken over yet; write nothing."""
    waits = settings.manifest.exists() and not is_noticed(settings.manifest)
    return read_manifest(settings.manifest) if waits else []


def is_noticed(manifest: Path) -> bool:
    return manifest.exists() and manifest.read_bytes() == NOTICE.encode()


def write_notice(settings: Settings) -> None:
    """Replace the manifest by the text that stops older versions."""
    if not is_noticed(settings.manifest):
        with replace_atomically(settings.manifest) as temporary:
            temporary.write_text(NOTICE, encoding="utf-8")


def is_complete(state: State) -> bool:
    """Return whether every line of the manifest has its record."""
    snapshots = [record.fields for record in state.records if "parquet" in record.fields]
    return bool(snapshots) and len(snapshots) >= snapshots[0].get("taken_over", 0)


def take_over_snapshots(settings: Settings, state: State, lines: list[dict]) -> None:
    recorded = {record.fields["batch_id"] for record in state.records}
    for line in lines:
        if line["batch_id"] in recorded:
            continue
        for kind in ("parquet", "rejects"):
            line[f"{kind}_bytes"] = measure_if_sound(settings, line, kind)
        name = f"{line['batch_id']}.json"
        append_record(state, settings.snapshots, name, line | {"taken_over": len(lines)})
    shutil.copyfile(settings.manifest, f"{settings.manifest}.taken-over")


def measure_if_sound(settings: Settings, line: dict, kind: str) -> int | None:
    """Return the size of a snapshot's file; None if its digest is wrong."""
    path = settings.snapshots / (line[kind] or "")
    sound = line[kind] and path.is_file() and sha256(path) == line[f"{kind}_sha256"]
    return path.stat().st_size if sound else None


def read_manifest(path: Path) -> list[dict]:
    """Return the lines, each checked by its seal. Raises StateError if one is damaged."""
    lines, seal = [], ""
    try:
        for text in path.read_bytes().splitlines():
            line = json.loads(text)
            found = line.pop("seal")
            seal = hashlib.sha256((seal + json.dumps(line, sort_keys=True)).encode()).hexdigest()
            if seal != found:
                raise ValueError
            lines.append({"sample": False} | line)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateError(
            f"{path} line {len(lines) + 1} is damaged (its seal does not fit). "
            "Restore the file from a backup: it lists the snapshots of the history."
        ) from None
    return lines


def take_over_decisions(settings: Settings, state: State, lines: list[dict]) -> None:
    for line in lines:
        if line not in state.decisions.get(line["batch_id"], []):
            name = f"{{number:06}}-{line['batch_id']}-{line['verdict']}.json"
            append_record(state, settings.decisions, name, line)


def read_decisions(path: Path) -> list[dict]:
    """Return the lines of decisions.jsonl. Raises StateError if one is damaged."""
    lines = []
    try:
        for text in path.read_bytes().splitlines():
            line = {"cdc_key": None} | json.loads(text)
            lines.append(line | {"batch_id": str(line["batch_id"]), "verdict": line["verdict"]})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateError(
            f"{path} line {len(lines) + 1} is damaged. Restore the file from a backup, or remove "
            "the line: the snapshot is then judged again."
        ) from None
    return lines
