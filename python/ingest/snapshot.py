"""Turn a delivered file into an immutable Parquet snapshot, its rejects file and its record."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from column import normalise
from config import Settings
from contract import load_contract
from errors import Refused, SettingsError
from ingest.csv_feed import stream_through_pipes, write_rejects, write_snapshot
from ingest.csv_repair import repair_source
from ingest.csv_scan import Scan, scan_csv
from ingest.decisions import find_baseline, find_verdict
from ingest.input_guards import check_counts, check_scan, needs_repair
from ingest.manifest import Batch, add_batch
from ingest.records import LEFT_OUT
from ingest.source_file import SourceFile, check_digest, open_source, source_digest
from runner.files import replace_atomically, sha256, sync
from runner.log import utc_now
from runner.step import Step

LARGE_BLOCK_BYTES = 8 << 20  # for a digest that is taken during the scan
MIXED = {
    False: "this is a real file, but the history so far is of made-up sample data. "
    "Run `make clean-sample` to remove the sample data, then run this again.",
    True: "this is made-up sample data, but the history so far is of real files. "
    "Put it elsewhere: make run-all DATA_DIR=... WAREHOUSE_PATH=...",
}
LINEAGE = ("ingestion_ts", "source_file", "source_line", "batch_id", "record_hash")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in the making: its names, and the lineage that each of its rows gets."""

    batch_id: str
    snapshot_at: datetime
    digest: str  # of the file as delivered
    is_sample: bool
    parquet: Path
    temporary: Path  # becomes `parquet` once all is checked
    lineage: list  # ingestion_ts, source_file, batch_id


def find_landed(delivery: SourceFile, batches: list[Batch], settings: Settings) -> Batch | None:
    """Return the newest snapshot (with SNAPSHOT_AT: that of the time) if it has these bytes.

    The size is compared first; if it differs, the digest can wait.
    """
    if delivery.is_unmodified:
        return batches[-1]
    time = settings.snapshot_at
    of_then = [batch for batch in batches if batch.snapshot_at == time] if time else batches[-1:]
    for batch in of_then:  # one at most
        if batch.source_bytes == delivery.path.stat().st_size:
            return batch if batch.source_sha256 == source_digest(delivery) else None
    return None


def land_snapshot(step: Step, delivery: SourceFile, batches: list[Batch], folder: Path) -> Batch:
    """Scan the file, write it, check it, repair it if the counts differ, register it."""
    settings = step.settings
    names = load_contract(settings.contract_path).known_names
    with ExitStack() as files:
        with scan_source(delivery, names, folder, settings) as scan:
            snapshot = files.enter_context(begin_snapshot(step, delivery, batches))
            columns = name_raw_columns(scan.header)
            write_to = snapshot.temporary, snapshot.lineage, settings, delivery.path.stat().st_size
            rows = write_snapshot(scan, columns, *write_to)
        previous = find_baseline(settings, batches, snapshot.snapshot_at)
        check_scan(step, scan, previous, snapshot.digest)
        if needs_repair(scan, rows):
            step.event("careful", parsed=rows, counted=scan.records)
            scan = repair_source(delivery, names, folder, settings)
            check_scan(step, scan, previous, snapshot.digest)
            rows = write_snapshot(scan, columns, *write_to)
        raw_rows = check_counts(delivery, scan, rows)
    return register_snapshot(step, delivery, snapshot, scan, columns, raw_rows)


@contextmanager
def scan_source(
    delivery: SourceFile, names: set[str], folder: Path, settings: Settings
) -> Iterator[Scan]:
    """Scan the file while the block runs, which can read its records from scan.parts."""
    scan = Scan()
    check_digest(delivery)
    with (
        open_source(delivery, settings.max_file_size) as stream,
        stream_through_pipes(scan_csv(stream, scan, names), scan, folder),
    ):
        yield scan


@contextmanager
def begin_snapshot(step: Step, delivery: SourceFile, batches: list[Batch]) -> Iterator[Snapshot]:
    """Name the snapshot and give it a temporary file, which is renamed at the end of the block."""
    settings = step.settings
    digest = source_digest(delivery, LARGE_BLOCK_BYTES)  # the scan runs ahead meanwhile
    sample = is_sample(delivery, digest)
    if batches and batches[-1].sample != sample:
        raise Refused(MIXED[sample])
    snapshot_at = choose_snapshot_time(step, batches)
    batch_id = f"{snapshot_at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
    parquet = settings.snapshots / f"{batch_id}.parquet"
    lineage = [utc_now(), delivery.source, batch_id]
    with replace_atomically(parquet) as temporary:
        yield Snapshot(batch_id, snapshot_at, digest, sample, parquet, temporary, lineage)


def is_sample(delivery: SourceFile, digest: str) -> bool:
    """Return whether step 00 made this file: the truth.json next to it has its digest."""
    try:
        truth = json.loads(delivery.path.with_suffix(".truth.json").read_bytes())
        return truth["sha256"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def choose_snapshot_time(step: Step, batches: list[Batch]) -> datetime:
    """Return SNAPSHOT_AT, or now: without SNAPSHOT_AT always later than the newest snapshot.

    Raises SettingsError if SNAPSHOT_AT is more than a day ahead of the clock, Refused if another
    snapshot has it.
    """
    now = utc_now().replace(microsecond=0)
    if time := step.settings.snapshot_at:
        time = time.replace(microsecond=0)
        if any(batch.snapshot_at == time for batch in batches):
            raise Refused(
                f"there is another snapshot of {time:%Y-%m-%d %H:%M:%S} UTC already. "
                "Give this file a SNAPSHOT_AT of its own."
            )
        if time - now > timedelta(days=1):
            raise SettingsError(
                f"SNAPSHOT_AT is {time:%Y-%m-%d %H:%M:%S} UTC, but the clock says "
                f"{now:%Y-%m-%d %H:%M:%S} UTC. It may be at most a day ahead, as all later files "
                "are filed after it."
            )
        if time - now > timedelta(minutes=1):
            step.warn(
                f"SNAPSHOT_AT is {time:%Y-%m-%d %H:%M:%S} UTC, but the clock says "
                f"{now:%Y-%m-%d %H:%M:%S} UTC; all later files are filed after it"
            )
        return time
    in_play = [b for b in batches if find_verdict(step.settings, b) not in LEFT_OUT]
    if not in_play or now > in_play[-1].snapshot_at:
        return now
    newest, way_out = in_play[-1].snapshot_at, f"make withdraw BATCH={in_play[-1].batch_id}"
    if newest >= datetime.max - timedelta(seconds=2):
        raise Refused(
            f"the newest snapshot is of {newest:%Y-%m-%d %H:%M:%S} UTC, and no later time exists. "
            f"Take it back: {way_out}"
        )
    if newest - now > timedelta(minutes=1):
        step.warn(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the newest snapshot is of "
            f"{newest:%Y-%m-%d %H:%M:%S} UTC; this one is filed one second after it. If that "
            f"time is wrong: {way_out}"
        )
    return newest + timedelta(seconds=1)


def name_raw_columns(header: list[str]) -> list[str]:
    """Return the column names for the Parquet file: those of the header, `unnamed_13` for blanks.

    Raises Refused if two columns have the same name.
    """
    seen: dict[str, str] = {}
    columns = []
    for position, name in enumerate(header, 1):
        key = normalise(name)
        if not key:
            name = f"unnamed_{position}"
        elif key in LINEAGE:
            name = f"{name}__in_file"
        if normalise(name) in seen:
            raise Refused(
                f"the header names {name!r} twice (columns {seen[normalise(name)]} and {position})"
            )
        seen[normalise(name)] = str(position)
        columns.append(name)
    return columns


def register_snapshot(
    step: Step, delivery: SourceFile, new: Snapshot, scan: Scan, columns: list[str], rows: int
) -> Batch:
    """Write the rejects next to the snapshot, report the scan, and write the record."""
    settings = step.settings
    rejects = write_rejects(scan, new.parquet, new.lineage, settings) if scan.rejected else None
    report_scan(step, scan, new.digest)
    batch = Batch(
        batch_id=new.batch_id,
        snapshot_at=new.snapshot_at,
        landed_at=utc_now(),
        source=delivery.source,
        sample=new.is_sample,
        source_sha256=new.digest,
        source_bytes=delivery.path.stat().st_size,
        ends_with_newline=scan.ends_with_newline and not scan.last_misfit,
        etag=delivery.etag,
        last_modified=delivery.last_modified,
        url_sha256=delivery.url_sha256,
        parquet=new.parquet.name,
        parquet_sha256=sha256(new.parquet),
        parquet_bytes=new.parquet.stat().st_size,
        rejects=rejects.name if rejects else None,
        rejects_sha256=sha256(rejects) if rejects else None,
        rejects_bytes=rejects.stat().st_size if rejects else None,
        records=scan.records,
        raw_rows=rows,
        rejected=scan.rejected,
        encoding=scan.encoding,
        repaired_lines=scan.repaired_lines,
        header=scan.header,
        columns=columns,
        versions={"python": sys.version.split()[0], "duckdb": duckdb.__version__},
    )
    add_batch(settings, batch)
    return batch


def report_scan(step: Step, scan: Scan, digest: str) -> None:
    """Report what was repaired and rejected, in the log and on the terminal."""
    ends = {"CRLF": scan.lines_crlf, "LF": scan.lines_lf, "CR": scan.lines_cr}
    step.event(
        "read",
        encoding=scan.encoding,
        delimiter=repr(scan.delimiter),
        records=scan.records,
        rejected=scan.rejected,
        repaired_lines=scan.repaired_lines,
        blank_lines=scan.blank_lines,
        line_ends=",".join(f"{name}:{count}" for name, count in ends.items() if count),
        sha256=digest,
    )
    if scan.repaired_lines:
        shown = ", ".join(str(line) for line in scan.repaired_line_numbers[:5])
        more = ", ..." if scan.repaired_lines > 5 else ""
        step.note(
            f"{scan.repaired_lines:,} line(s) had Windows-1252 bytes, read as such: {shown}{more}"
        )
    if scan.rejected:
        step.warn(f"{scan.rejected:,} record(s) do not fit the header; kept in the rejects file")


def link_latest_snapshot(settings: Settings, batch: Batch) -> None:
    """Make netflix_titles_raw.parquet this snapshot: a hard link, or a copy."""
    newest = settings.snapshots / batch.parquet
    if settings.latest.exists() and settings.latest.samefile(newest):
        return
    temporary = settings.latest.with_name(f".{settings.latest.name}.{os.getpid()}.tmp")
    try:
        os.link(newest, temporary)
    except OSError:  # a file system without hard links
        with replace_atomically(settings.latest) as copy:
            shutil.copyfile(newest, copy)
        return
    os.replace(temporary, settings.latest)
    sync(settings.raw_dir)
