"""The raw layer's manifest: one JSON line per snapshot, each sealed with the line before it.

The manifest says which snapshots exist. A snapshot file without a line is a leftover of a run
that died before it was done, and does not count.
"""

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from config import Settings
from errors import NotReady, Refused
from runner.files import replace_atomically, sha256

OLD_S = 3600  # no temporary file is in use for so long


@dataclass(frozen=True)
class Batch:
    """One landed snapshot of the catalogue."""

    batch_id: str
    snapshot_at: datetime  # UTC; the time that the history uses
    landed_at: datetime  # UTC
    source: str
    source_sha256: str  # of the bytes as delivered
    source_bytes: int
    ends_with_newline: bool
    etag: str | None  # of a remote source
    last_modified: str | None
    parquet: str  # file name below snapshots/
    parquet_sha256: str
    rejects: str | None  # file name below snapshots/, where records were rejected
    rejects_sha256: str | None
    records: int  # in the file, as the second parser counted
    raw_rows: int
    rejected: int
    encoding: str
    repaired_lines: int  # lines with foreign bytes
    header: list[str]  # as the file has it
    columns: list[str]  # as the Parquet has it, without the lineage columns
    versions: dict[str, str]
    url_sha256: str | None = None  # of a remote source's URL: a condition is for that very URL
    sample: bool = False  # made up by 00_make_sample_data.py


def read_batches(path: Path) -> list[Batch]:
    """All snapshots, ordered by snapshot time. Raises Refused where a line was damaged."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise describe_damage(path, 1 + error.object[: error.start].count(b"\n")) from None
    batches, seal = [], ""
    for number, line in enumerate(lines, 1):
        try:
            fields = json.loads(line)
            seal_found = fields.pop("seal")
            seal = compute_seal(seal, fields)
            if seal != seal_found:
                raise ValueError
            for name in ("snapshot_at", "landed_at"):
                fields[name] = datetime.fromisoformat(fields[name])
            batches.append(Batch(**fields))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise describe_damage(path, number) from None
    return sorted(batches, key=lambda batch: batch.snapshot_at)


def landed_batches(settings: Settings) -> list[Batch]:
    """All snapshots, the newest last. Raises NotReady where nothing was landed yet."""
    batches = read_batches(settings.manifest)
    if not batches:
        raise NotReady("nothing was landed yet; run `make raw` (or `make run-all`) first")
    return batches


def remove_leftovers(settings: Settings, batches: list[Batch], folder: Path) -> None:
    """Remove what a run that died left behind: temporary files, snapshots without a line."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = {name for batch in batches for name in (batch.parquet, batch.rejects)}
    shutil.rmtree(f"{settings.warehouse_path}.tmp", ignore_errors=True)  # DuckDB's
    warehouse = settings.warehouse_path.resolve()
    for leftover in warehouse.parent.glob(f".{warehouse.name}.*.tmp*"):  # of a rebuild
        leftover.unlink()
    for parent in (settings.raw_dir, settings.snapshots):
        for leftover in parent.glob(".*.tmp"):
            leftover.unlink()
    for parent in (settings.data_dir, settings.data_dir / "alerts"):  # an audit may write there now
        for leftover in parent.glob(".*.tmp"):
            with suppress(FileNotFoundError):  # renamed just now
                if time.time() - leftover.stat().st_mtime > OLD_S:
                    leftover.unlink()
    for path in settings.snapshots.glob("*.parquet"):
        if path.name not in listed:
            path.unlink()


def append_batch(path: Path, batch: Batch) -> None:
    """Add one line; the file is written anew and renamed, so it is never half a line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    fields = asdict(batch)
    for name in ("snapshot_at", "landed_at"):
        fields[name] = fields[name].isoformat()
    fields["seal"] = compute_seal(json.loads(lines[-1])["seal"] if lines else "", fields)
    lines.append(json.dumps(fields))
    with replace_atomically(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compute_seal(previous: str, fields: dict) -> str:
    text = previous + json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def describe_damage(path: Path, line: int) -> Refused:
    return Refused(
        f"{path} line {line} is damaged (its seal does not fit); nothing was changed. "
        "Restore the file from a backup: it lists the snapshots the history is made of."
    )


def verify_snapshot(snapshots: Path, batch: Batch) -> Path:
    """The batch's Parquet file, once its digest proved it unchanged since it landed."""
    return verify_file(snapshots / batch.parquet, batch.parquet_sha256)


def verify_file(path: Path, digest: str) -> Path:
    """The file, if its SHA-256 is `digest`. Raises Refused where it is missing or damaged."""
    if not path.exists():
        raise Refused(f"snapshot {path} is missing; nothing was changed. Restore it from a backup.")
    if (digest_now := sha256(path)) != digest:
        raise Refused(
            f"snapshot {path} is damaged: its SHA-256 is {digest_now[:12]}, the manifest says "
            f"{digest[:12]}; nothing was changed. Restore it from a backup."
        )
    return path
