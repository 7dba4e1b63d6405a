"""Land the catalogue: CSV -> immutable Parquet snapshot and one line in the manifest.

Reads:   the source (NETFLIX_CSV), data/raw/manifest.jsonl
Writes:  data/raw/snapshots/<batch>.parquet (and <batch>.rejects.parquet where records did not fit),
         data/raw/manifest.jsonl, data/raw/netflix_titles_raw.parquet (the latest snapshot)
Fails when: the file is not a whole CSV with a known header, more records than allowed do not fit
         it, or the two record counts differ (exit 20). Nothing is changed then.

The manifest line is the moment of truth: files without one are leftovers, swept by the next run.
"""

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

from config import Settings
from contract import load_contract
from delivery import Delivery, digest_of, fetch, opened
from engine import duckdb
from errors import Refused
from files import replacing, sha256, sync
from manifest import Batch, append, read
from parts import SPARE_RECORD_BYTES, piped, raw_columns, records
from scan import Scan, scan, scan_carefully
from steps import Step, run_step, utc_now
from warehouse import connect, identifier, literal

LARGE_BLOCK_BYTES = 8 << 20  # for a digest that is taken beside the scan
OLD_S = 3600  # no temporary file is in use for so long
MIXED = {
    False: "this is a real file, but the history so far is of made-up sample data; nothing was "
    "changed. Run `make clean-sample`, which removes the sample and what came of it, and again.",
    True: "this is made-up sample data, but the history so far is of real files; nothing was "
    "changed. Name another place for it: make run-all DATA_DIR=... WAREHOUSE_PATH=...",
}


def run(step: Step) -> None:
    settings = step.settings
    batches = read(settings.manifest)
    newest = batches[-1] if batches else None
    folder = settings.raw_dir / ".landing"
    sweep(settings, batches, folder)
    try:
        folder.mkdir(parents=True)
        known = newest if newest and newest.source == public(settings.source) else None
        if known and settings.snapshot_at not in (None, known.snapshot_at):
            known = None  # the same file may stand for another time, too
        delivery = fetch(settings, folder, known and known.etag, known and known.last_modified)
        if unchanged(delivery, batches, settings):
            step.batch_id, step.rows_in, step.rows_out = newest.batch_id, 0, newest.raw_rows
            step.found_done = True
            step.message = f"unchanged since {newest.snapshot_at:%Y-%m-%d %H:%M:%S} UTC"
        else:
            batch = land(step, delivery, batches, folder)
            step.batch_id, step.rows_in, step.rows_out = (
                batch.batch_id,
                batch.records,
                batch.raw_rows,
            )
            step.message = (
                f"{batch.records:,} records in {delivery.name} = {batch.raw_rows:,} raw "
                f"+ {batch.rejected:,} rejected"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show_latest(settings)


def unchanged(delivery: Delivery, batches: list[Batch], settings: Settings) -> bool:
    """Whether these very bytes are the newest snapshot (or, with SNAPSHOT_AT, the one of then).

    One of another size is not: then its digest can wait.
    """
    if delivery.path is None:
        return True
    at = settings.snapshot_at
    same = [batch for batch in batches if batch.snapshot_at == at] if at else batches[-1:]
    if not same or same[0].source_bytes != delivery.path.stat().st_size:
        return False
    return same[0].source_sha256 == digest_of(delivery)


def land(step: Step, delivery: Delivery, batches: list[Batch], folder: Path) -> Batch:
    settings = step.settings
    names = load_contract(settings.contract_path).known_names
    check_digest(delivery)
    with ExitStack() as files:
        found = Scan()
        with (
            opened(delivery, settings.max_file_size) as stream,
            piped(scan(stream, found, names), found, folder),
        ):
            digest = digest_of(delivery, LARGE_BLOCK_BYTES)  # the scan runs ahead meanwhile
            accepted = bool(settings.accept) and digest.startswith(settings.accept)
            sample = is_sample(delivery, digest)
            if batches and batches[-1].sample != sample:
                raise Refused(MIXED[sample])
            taken_at = snapshot_time(step, batches)
            batch_id = f"{taken_at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
            parquet = settings.snapshots / f"{batch_id}.parquet"
            temporary = files.enter_context(replacing(parquet))
            lineage = [utc_now(), public(settings.source), batch_id]
            columns = raw_columns(found.header)
            kept = parse(found, columns, temporary, lineage, settings)
        check_end(step, found, batches, accepted, digest)
        if kept != found.records or not found.plain:
            # The two parsers disagree, or one cannot tell: take it apart record by record.
            step.event("careful", parsed=kept, counted=found.records)
            with opened(delivery, settings.max_file_size) as stream:
                found = scan_carefully(stream, folder, names)
            check_last(step, found, batches, accepted, digest)
            check_rejects(found, accepted, digest, settings, folder)
            kept = parse(found, columns, temporary, lineage, settings)
        if found.records != (kept or 0) + found.rejected:
            raise Refused(
                f"{delivery.name}: {found.records:,} records, but {kept} raw + {found.rejected} "
                "rejected; the books do not balance, nothing was changed"
            )
        if not kept:
            raise Refused(f"{delivery.name} has a header and no record; nothing was changed")
    rejects = store_rejects(found, parquet, lineage, settings) if found.rejected else None
    report(step, found, digest)
    batch = Batch(
        batch_id=batch_id,
        snapshot_at=taken_at,
        landed_at=utc_now(),
        source=public(settings.source),
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
    append(settings.manifest, batch)
    return batch


def parse(
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
            f"FROM ({records(found, len(columns))})) "
            f"TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)",
            [*lineage, "\n".join(columns)],
        ).fetchone()[0]
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        con.close()
    return written


def snapshot_time(step: Step, batches: list[Batch]) -> datetime:
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


def is_sample(delivery: Delivery, digest: str) -> bool:
    """Whether step 00 made this file up: its truth.json stands beside it and names its digest."""
    try:
        truth = json.loads(delivery.path.with_suffix(".truth.json").read_bytes())
        return truth["sha256"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_digest(delivery: Delivery) -> None:
    if delivery.sha256 and delivery.sha256 != digest_of(delivery):
        raise Refused(
            f"{delivery.name} has SHA-256 {digest_of(delivery)[:12]}..., its .sha256 file promises "
            f"{delivery.sha256[:12]}...; nothing was changed. It was damaged or cut on the way."
        )


def check_end(step: Step, found: Scan, batches: list[Batch], accepted: bool, digest: str) -> None:
    """A file cut in the middle shows at its end mostly; one cut behind the header is empty."""
    if not found.records and found.plain:  # else the careful reading tells
        raise Refused("the file has a header and no record; nothing was changed")
    if found.ends_with_newline:
        return
    if batches and batches[-1].ends_with_newline and not accepted:
        raise Refused(
            "the file looks cut: its last line has no line end, the previous snapshot's had one; "
            f"nothing was changed. If it is right: make run-all ACCEPT={digest[:12]}"
        )
    step.warn("the last line of the file has no line end; it may have been cut")


def check_last(step: Step, found: Scan, batches: list[Batch], accepted: bool, digest: str) -> None:
    """A file cut inside a record ends with one that does not fit, with or without a line end."""
    if not found.records:
        raise Refused("the file has a header and no record; nothing was changed")
    if not found.last_misfit or found.rejected == found.records:
        return
    if batches and batches[-1].ends_with_newline and not accepted:
        raise Refused(
            f"the file looks cut: its last record does not fit the header ({found.last_misfit}); "
            f"nothing was changed. If it is right: make run-all ACCEPT={digest[:12]}"
        )
    step.warn("the last record of the file does not fit the header; it may have been cut")


def check_rejects(
    found: Scan, accepted: bool, digest: str, settings: Settings, folder: Path
) -> None:
    """Stop where more records than allowed, by count and by share, do not fit the header."""
    share = 100 * found.rejected / max(found.records, 1)
    over = found.rejected > settings.max_rejected_rows and share > settings.max_rejected_pct
    if (over and not accepted) or found.rejected == found.records:
        import csv

        with open(found.rejects, encoding="utf-8", newline="") as file:
            examples = [row for row, _ in zip(csv.reader(file), range(4), strict=False)][1:]
        lines = "".join(f"\n  line {line}: {reason}" for line, reason, _ in examples)
        way_out = (
            "Mend the file."
            if found.rejected == found.records
            else f"If it is right: make run-all ACCEPT={digest[:12]}"
        )
        raise Refused(
            f"{found.rejected:,} of {found.records:,} records ({share:.1f} %) do not fit the "
            f"header, allowed are {settings.max_rejected_rows} and {settings.max_rejected_pct} %; "
            f"nothing was changed. {way_out}{lines}"
        )


def store_rejects(found: Scan, parquet: Path, lineage: list, settings: Settings) -> Path:
    """The misfits, beside the snapshot: source_line, reason, raw_text, ingestion_ts, ..."""
    target = parquet.with_suffix(".rejects.parquet")
    con = connect(":memory:", settings, [settings.raw_dir, settings.snapshots])
    limit = max(SPARE_RECORD_BYTES, 3 * found.longest_record)
    with replacing(target) as temporary:
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


def report(step: Step, found: Scan, digest: str) -> None:
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


def sweep(settings: Settings, batches: list[Batch], folder: Path) -> None:
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


def show_latest(settings: Settings) -> None:
    """Let netflix_titles_raw.parquet be the newest snapshot: the same file, or a copy."""
    newest = settings.snapshots / read(settings.manifest)[-1].parquet
    if settings.latest.exists() and settings.latest.samefile(newest):
        return
    temporary = settings.latest.with_name(f".{settings.latest.name}.{os.getpid()}.tmp")
    try:
        os.link(newest, temporary)
    except OSError:  # a file system without hard links
        with replacing(settings.latest) as copy:
            shutil.copyfile(newest, copy)
        return
    os.replace(temporary, settings.latest)
    sync(settings.raw_dir)


def public(source: str) -> str:
    """The source as it may be recorded: without user, password and query."""
    if "://" not in source:
        return os.fsencode(Path(source).name).decode(errors="replace")  # a name may be no text
    from remote import without_secrets

    return without_secrets(source)


if __name__ == "__main__":
    sys.exit(run_step("raw", run, warehouse=False))
