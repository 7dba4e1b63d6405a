"""A delivered file becomes an immutable Parquet snapshot, its rejects file and a manifest line."""

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from config import Settings
from contract import load_contract, normalise
from errors import Refused
from ingest.csv_feed import SPARE_RECORD_BYTES, read_csv_query, stream_through_pipes
from ingest.csv_repair import repair_csv
from ingest.csv_scan import Scan, scan_csv
from ingest.input_guards import check_digest, check_end, check_last, check_rejects
from ingest.manifest import Batch, append_batch, read_batches
from ingest.source import recorded_source
from ingest.source_file import SourceFile, open_source, source_digest
from runner.files import replace_atomically, sha256, sync
from runner.log import utc_now
from runner.step import Step
from warehouse.duckdb_file import connect
from warehouse.quoting import identifier, literal

LARGE_BLOCK_BYTES = 8 << 20  # for a digest that is taken beside the scan
OLD_S = 3600  # no temporary file is in use for so long
MIXED = {
    False: "this is a real file, but the history so far is of made-up sample data; nothing was "
    "changed. Run `make clean-sample`, which removes the sample and what came of it, and again.",
    True: "this is made-up sample data, but the history so far is of real files; nothing was "
    "changed. Name another place for it: make run-all DATA_DIR=... WAREHOUSE_PATH=...",
}


def is_unchanged(delivery: SourceFile, batches: list[Batch], settings: Settings) -> bool:
    """Whether these very bytes are the newest snapshot (or, with SNAPSHOT_AT, the one of then).

    One of another size is not: then its digest can wait.
    """
    if delivery.path is None:
        return True
    at = settings.snapshot_at
    same = [batch for batch in batches if batch.snapshot_at == at] if at else batches[-1:]
    if not same or same[0].source_bytes != delivery.path.stat().st_size:
        return False
    return same[0].source_sha256 == source_digest(delivery)


def land_snapshot(step: Step, delivery: SourceFile, batches: list[Batch], folder: Path) -> Batch:
    settings = step.settings
    names = load_contract(settings.contract_path).known_names
    check_digest(delivery)
    with ExitStack() as files:
        found = Scan()
        with (
            open_source(delivery, settings.max_file_size) as stream,
            stream_through_pipes(scan_csv(stream, found, names), found, folder),
        ):
            digest = source_digest(delivery, LARGE_BLOCK_BYTES)  # the scan runs ahead meanwhile
            accepted = bool(settings.accept) and digest.startswith(settings.accept)
            sample = is_sample(delivery, digest)
            if batches and batches[-1].sample != sample:
                raise Refused(MIXED[sample])
            taken_at = choose_snapshot_time(step, batches)
            batch_id = f"{taken_at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
            parquet = settings.snapshots / f"{batch_id}.parquet"
            temporary = files.enter_context(replace_atomically(parquet))
            lineage = [utc_now(), recorded_source(settings.source), batch_id]
            columns = name_raw_columns(found.header)
            kept = write_snapshot(found, columns, temporary, lineage, settings)
        check_end(step, found, batches, accepted, digest)
        if kept != found.records or not found.is_strict_csv:
            # The two parsers disagree, or one cannot tell: take it apart record by record.
            step.event("careful", parsed=kept, counted=found.records)
            with open_source(delivery, settings.max_file_size) as stream:
                found = repair_csv(stream, folder, names)
            check_last(step, found, batches, accepted, digest)
            check_rejects(found, accepted, digest, settings, folder)
            kept = write_snapshot(found, columns, temporary, lineage, settings)
        if found.records != (kept or 0) + found.rejected:
            raise Refused(
                f"{delivery.name}: {found.records:,} records, but {kept} raw + {found.rejected} "
                "rejected; the books do not balance, nothing was changed"
            )
        if not kept:
            raise Refused(f"{delivery.name} has a header and no record; nothing was changed")
    rejects = write_rejects(found, parquet, lineage, settings) if found.rejected else None
    report_scan(step, found, digest)
    batch = Batch(
        batch_id=batch_id,
        snapshot_at=taken_at,
        landed_at=utc_now(),
        source=recorded_source(settings.source),
        sample=sample,
        source_sha256=digest,
        source_bytes=delivery.path.stat().st_size,
        ends_with_newline=found.ends_with_newline and not found.last_misfit,
        etag=delivery.etag,
        last_modified=delivery.last_modified,
        parquet=parquet.name,
        parquet_sha256=sha256(parquet),
        rejects=rejects.name if rejects else None,
        rejects_sha256=sha256(rejects) if rejects else None,
        records=found.records,
        raw_rows=kept,
        rejected=found.rejected,
        encoding=found.encoding,
        repaired_lines=found.repaired_lines,
        header=found.header,
        columns=columns,
        versions={"python": sys.version.split()[0], "duckdb": duckdb.__version__},
    )
    append_batch(settings.manifest, batch)
    return batch


def write_snapshot(
    found: Scan, columns: list[str], target: Path, lineage: list, settings: Settings
) -> int | None:
    """The parts -> Parquet by DuckDB's strict CSV parser; the rows written, None if it objects.

    Shape: the file's columns as text, then ingestion_ts, source_file, source_line, batch_id, and
    record_hash: 63 bits that are equal where header and values are, to the letter. What the next
    snapshot has again is known by it; it decides on nothing but what is worked on anew.
    """
    con = connect(":memory:", settings, [settings.raw_dir, settings.snapshots])
    con.execute("SET preserve_insertion_order = false")  # source_line carries the order
    named = ", ".join(f"c{at} AS {identifier(name)}" for at, name in enumerate(columns))
    values = ", ".join(f"c{at}" for at in range(len(columns)))
    try:
        written = con.execute(
            f"COPY (SELECT {named}, ?::TIMESTAMP AS ingestion_ts, ? AS source_file, "
            f"source_line, ? AS batch_id, CAST(hash(?, {values}) >> 1 AS BIGINT) AS record_hash "
            f"FROM ({read_csv_query(found, len(columns))})) "
            f"TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)",
            [*lineage, "\n".join(columns)],
        ).fetchone()[0]
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        con.close()
    return written


LINEAGE = ("ingestion_ts", "source_file", "source_line", "batch_id", "record_hash")


def name_raw_columns(header: list[str]) -> list[str]:
    """Names for the Parquet: as in the file; unnamed ones get their position, as `unnamed_13`.

    Raises Refused where two columns have the same name.
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
                f"the header names {name!r} twice (columns {seen[normalise(name)]} and "
                f"{position}); nothing was changed"
            )
        seen[normalise(name)] = str(position)
        columns.append(name)
    return columns


def choose_snapshot_time(step: Step, batches: list[Batch]) -> datetime:
    """SNAPSHOT_AT, or now; without SNAPSHOT_AT always later than the newest snapshot."""
    now = utc_now().replace(microsecond=0)
    if at := step.settings.snapshot_at:
        at = at.replace(microsecond=0)
        if any(batch.snapshot_at == at for batch in batches):
            raise Refused(
                f"there is another snapshot of {at:%Y-%m-%d %H:%M:%S} UTC already; nothing was "
                "changed. Give this file a SNAPSHOT_AT of its own."
            )
        if at - now > timedelta(minutes=1):
            step.warn(
                f"SNAPSHOT_AT is {at:%Y-%m-%d %H:%M:%S} UTC, but the clock says "
                f"{now:%Y-%m-%d %H:%M:%S} UTC; the files to come are filed after it"
            )
        return at
    if not batches or now > batches[-1].snapshot_at:
        return now
    newest = batches[-1].snapshot_at
    if newest - now > timedelta(minutes=1):
        step.warn(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the newest snapshot is of "
            f"{newest:%Y-%m-%d %H:%M:%S} UTC; this one is filed one second after it"
        )
    return newest + timedelta(seconds=1)


def is_sample(delivery: SourceFile, digest: str) -> bool:
    """Whether step 00 made this file up: its truth.json stands beside it and names its digest."""
    try:
        truth = json.loads(delivery.path.with_suffix(".truth.json").read_bytes())
        return truth["sha256"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_rejects(found: Scan, parquet: Path, lineage: list, settings: Settings) -> Path:
    """The misfits, beside the snapshot: source_line, reason, raw_text, ingestion_ts, ..."""
    target = parquet.with_suffix(".rejects.parquet")
    con = connect(":memory:", settings, [settings.raw_dir, settings.snapshots])
    limit = max(SPARE_RECORD_BYTES, 3 * found.longest_record)
    with replace_atomically(target) as temporary:
        con.execute(
            "COPY (SELECT CAST(source_line AS BIGINT) AS source_line, reason, raw_text, "
            "?::TIMESTAMP AS ingestion_ts, ? AS source_file, ? AS batch_id "
            f"FROM read_csv({literal(found.rejects)}, auto_detect = false, header = false, "
            "skip = 1, columns = {'source_line': 'VARCHAR', 'reason': 'VARCHAR', "
            "'raw_text': 'VARCHAR'}, delim = ',', quote = '\"', escape = '\"', "
            f"parallel = false, max_line_size = {limit})) "
            f"TO {literal(temporary)} (FORMAT parquet, COMPRESSION zstd)",
            lineage,
        )
    con.close()
    return target


def report_scan(step: Step, found: Scan, digest: str) -> None:
    """What was repaired and set aside, in the log and for the person."""
    ends = {"CRLF": found.lines_crlf, "LF": found.lines_lf, "CR": found.lines_cr}
    step.event(
        "read",
        encoding=found.encoding,
        delimiter=repr(found.delimiter),
        records=found.records,
        rejected=found.rejected,
        repaired_lines=found.repaired_lines,
        blank_lines=found.blank_lines,
        line_ends=",".join(f"{name}:{count}" for name, count in ends.items() if count),
        sha256=digest,
    )
    if found.repaired_lines:
        shown = ", ".join(str(line) for line in found.repaired_line_numbers[:5])
        more = ", ..." if found.repaired_lines > 5 else ""
        step.note(
            f"{found.repaired_lines:,} line(s) had Windows-1252 bytes, read as such: {shown}{more}"
        )
    if found.rejected:
        step.warn(f"{found.rejected:,} record(s) do not fit the header; kept in the rejects file")


def remove_leftovers(settings: Settings, batches: list[Batch], folder: Path) -> None:
    """Remove what a run that died left behind: temporary files, snapshots without a line."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = {name for batch in batches for name in (batch.parquet, batch.rejects)}
    for place in (settings.raw_dir, settings.snapshots):
        for leftover in place.glob(".*.tmp"):
            leftover.unlink()
    for place in (settings.data_dir, settings.data_dir / "alerts"):  # an audit may write there now
        for leftover in place.glob(".*.tmp"):
            with suppress(FileNotFoundError):  # renamed just now
                if time.time() - leftover.stat().st_mtime > OLD_S:
                    leftover.unlink()
    for path in settings.snapshots.glob("*.parquet"):
        if path.name not in listed:
            path.unlink()


def link_latest_snapshot(settings: Settings) -> None:
    """Let netflix_titles_raw.parquet be the newest snapshot: the same file, or a copy."""
    newest = settings.snapshots / read_batches(settings.manifest)[-1].parquet
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
