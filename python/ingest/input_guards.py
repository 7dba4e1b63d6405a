"""Stop a file that must not become a snapshot."""

from config import Limit, Settings, share
from errors import Refused
from ingest.csv_scan import Scan
from ingest.manifest import Batch
from ingest.source_file import SourceFile
from runner.step import Step


def check_scan(step: Step, scan: Scan, previous: Batch | None, digest: str) -> None:
    """Raise Refused if the file is empty, was cut, or does not fit its header.

    A file that was cut mostly shows it at its end: no line end, or a last record that does not fit
    (which only the repair sees). One cut after the header is empty.
    """
    accept = step.settings.accept
    accepted = bool(accept and digest.startswith(accept))
    cut, warning = "", ""
    if not scan.records and (scan.is_repaired or scan.is_strict_csv):  # else the repair tells
        raise Refused("the file has a header and no record")
    if scan.is_repaired and scan.last_misfit and scan.rejected < scan.records:
        cut = f"its last record does not fit the header ({scan.last_misfit})"
        warning = "the last record of the file does not fit the header; it may have been cut"
    elif not scan.is_repaired and not scan.ends_with_newline:
        cut = "its last line has no line end, that of the previous file had one"
        warning = "the last line of the file has no line end; it may have been cut"
    if cut and previous and previous.ends_with_newline and not accepted:
        raise Refused(
            f"the file looks cut: {cut}. If it is right: make run-all ACCEPT={digest[:12]}"
        )
    if cut:
        step.warn(warning)
    if scan.is_repaired:
        check_rejects(scan, accepted, digest, step.settings)


def check_rejects(scan: Scan, accepted: bool, digest: str, settings: Settings) -> None:
    """Raise Refused if too many records, by count and by share, do not fit the header."""
    limit = Limit(settings.max_rejected_rows, settings.max_rejected_pct)
    over = limit.exceeded_by(scan.rejected, scan.records)
    if (over and not accepted) or scan.rejected == scan.records:
        import csv

        with open(scan.rejects, encoding="utf-8", newline="") as file:
            examples = [row for row, _ in zip(csv.reader(file), range(4), strict=False)][1:]
        lines = "".join(f"\n  line {line}: {reason}" for line, reason, _ in examples)
        way_out = (
            "Fix the file."
            if scan.rejected == scan.records
            else f"If it is right: make run-all ACCEPT={digest[:12]}"
        )
        raise Refused(
            f"{scan.rejected:,} of {scan.records:,} records "
            f"({share(scan.rejected, scan.records):.1f} %) do not fit the header, allowed are "
            f"{limit.rows} and {limit.pct} %. {way_out}{lines}"
        )


def needs_repair(scan: Scan, rows: int | None) -> bool:
    """Return whether the two parsers disagree on the number of records, or one cannot tell."""
    return rows != scan.records or not scan.is_strict_csv


def check_counts(delivery: SourceFile, scan: Scan, rows: int | None) -> int:
    """Return the number of rows. Raises Refused if a record is neither a row nor rejected."""
    if scan.records != (rows or 0) + scan.rejected:
        raise Refused(
            f"{delivery.name}: {scan.records:,} records, but {rows} raw + {scan.rejected} "
            "rejected; the row counts do not reconcile"
        )
    if not rows:
        raise Refused(f"{delivery.name} has a header and no record")
    return rows
