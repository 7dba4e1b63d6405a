"""List the snapshots, each from its own record (ingest/records.py).

A Parquet file without a record is left over from a run that died, and does not count.
"""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from dataclasses import fields as columns_of
from datetime import datetime
from pathlib import Path
from typing import Any

from config import Settings
from errors import NotReady, StateError
from ingest.records import LEFT_OUT, State, append_record
from ingest.state import check_state, load_state, loaded_state
from ingest.takeover import read_old_lines, write_notice
from runner.files import sha256
from runner.step import Step
from warehouse.places import find_staging

PROVEN_BYTES = 32 << 20  # digested each night
LEAST_BYTES = 256 << 10  # what a small file counts as: opening it takes as long as reading these
LARGE_BYTES = 256 << 20
OLD_S = 3600  # no temporary file is in use for that long


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
    records: int  # in the file, as the scan counted them
    raw_rows: int
    rejected: int
    encoding: str
    repaired_lines: int  # lines with foreign bytes
    header: list[str]  # as the file has it
    columns: list[str]  # as the Parquet has it, without the lineage columns
    versions: dict[str, str]
    url_sha256: str | None = None  # of a remote source's URL: its ETag counts for that URL only
    sample: bool = False  # made up by 00_make_sample_data.py
    parquet_bytes: int | None = None  # None if its digest was wrong when it was taken over
    rejects_bytes: int | None = None


TIMES, KINDS = ("snapshot_at", "landed_at"), ("parquet", "rejects")
NAMES = [column.name for column in columns_of(Batch)]
batches_made: dict[str, Batch] = {}  # by the seal of the record, by this process or its parent


def list_batches(state: State) -> list[Batch]:
    """List all snapshots, ordered by snapshot time."""
    snapshots = [record for record in state.records if "parquet" in record.fields]
    for record in snapshots:
        if record.seal not in batches_made:
            batches_made[record.seal] = make_batch(record.fields)
    batches = [batches_made[record.seal] for record in snapshots]
    return sorted(batches, key=lambda batch: batch.snapshot_at)


def make_batch(fields: dict[str, Any]) -> Batch:
    times = {name: datetime.fromisoformat(fields[name]) for name in TIMES}
    return Batch(**{name: fields[name] for name in NAMES if name in fields} | times)


def read_batches(settings: Settings) -> list[Batch]:
    """Read all snapshots with a sound record, or those of a list that was not taken over yet."""
    batches = list_batches(load_state(settings))
    return batches or [make_batch(line) for line in read_old_lines(settings)]


def landed_batches(step: Step, needs_warehouse: bool = True) -> list[Batch]:
    """Check the state, and return the snapshots that are not withdrawn, the newest last.

    Raises StateError if the state does not fit together, NotReady if nothing was landed yet.
    """
    state = check_state(step, needs_warehouse)
    batches = [batch for batch in list_batches(state) if not is_left_out(state, batch)]
    if not batches:
        raise NotReady("nothing was landed yet; run `make raw` (or `make run-all`) first")
    return batches


def is_left_out(state: State, batch: Batch) -> bool:
    """Return whether the snapshot was withdrawn, or given up as lost."""
    decision = state.find_decision(batch.batch_id)
    return decision is not None and decision["verdict"] in LEFT_OUT


def remove_leftovers(settings: Settings, batches: list[Batch], folder: Path) -> None:
    """Remove the temporary files of a run that died; move snapshots without a record aside."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = {name for batch in batches for name in (batch.parquet, batch.rejects)}
    shutil.rmtree(f"{settings.warehouse_path}.tmp", ignore_errors=True)  # DuckDB's
    warehouse = settings.warehouse_path.resolve()
    for leftover in warehouse.parent.glob(f".{warehouse.name}.*.tmp*"):  # of a rebuild
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    staging = find_staging(settings.warehouse_path)
    for parent in (settings.raw_dir, settings.snapshots, settings.decisions, staging):
        for leftover in parent.glob(".*.tmp"):
            leftover.unlink()
    for parent in (settings.data_dir, settings.data_dir / "alerts"):  # an audit may write there now
        for leftover in parent.glob(".*.tmp"):
            with suppress(FileNotFoundError):  # renamed just now
                if time.time() - leftover.stat().st_mtime > OLD_S:
                    leftover.unlink()
    for path in settings.snapshots.glob("*.parquet"):
        if path.name not in listed:
            aside = settings.raw_dir / "aside"
            aside.mkdir(exist_ok=True)
            os.replace(path, aside / path.name)


def add_batch(settings: Settings, batch: Batch) -> None:
    """Write the record of a snapshot that is on disk: from now on it counts."""
    write_notice(settings)
    fields = asdict(batch) | {name: getattr(batch, name).isoformat() for name in TIMES}
    append_record(loaded_state(settings), settings.snapshots, f"{batch.batch_id}.json", fields)


def prove_some_files(step: Step, batches: list[Batch]) -> None:
    """Check the digests of a few files, starting after the last one checked: this finds bit rot.

    Checks as many as fit into some 50 ms, at least one. Files larger than LARGE_BYTES, which take
    more than a second, are left to `make verify`.
    """
    files = [
        (getattr(batch, kind), getattr(batch, f"{kind}_bytes") or 0, kind, batch)
        for batch in batches
        for kind in KINDS
        if getattr(batch, kind) and (getattr(batch, f"{kind}_bytes") or 0) <= LARGE_BYTES
    ]
    query = "SELECT file_name FROM ops_proven_files ORDER BY proven_at DESC LIMIT 1"
    last = step.con.execute(query).fetchone()
    names, budget = [name for name, *_ in files], PROVEN_BYTES
    start = names.index(last[0]) + 1 if last and last[0] in names else 0
    for name, size, kind, batch in files[start:] + files[:start]:
        verify_snapshot(step.settings.snapshots, batch, kind)
        row = [name, step.started_at]
        budget -= max(size, LEAST_BYTES)
        if budget <= 0:
            break
    if files:
        step.add_ops_row("INSERT INTO ops_proven_files VALUES (?, ?)", row)


def verify_snapshot(snapshots: Path, batch: Batch, kind: str = "parquet") -> Path:
    """Return the path of the batch's Parquet file (or its "rejects"), once its digest is checked.

    Raises StateError if the file is missing or damaged.
    """
    path, digest = snapshots / getattr(batch, kind), getattr(batch, f"{kind}_sha256")
    digest_now = sha256(path)[:12] if path.exists() else ""
    if digest_now != digest[:12]:
        wrong = f"damaged (SHA-256 {digest_now}, not {digest[:12]})" if digest_now else "missing"
        raise StateError(
            f"snapshot {path} is {wrong}. Restore it from a backup, then: make run-all. "
            f"If there is no backup, take it back: make withdraw BATCH={batch.batch_id}"
        )
    return path
