"""What stops a file before it becomes a snapshot."""

from config import Limit, Settings, share
from errors import Refused
from ingest.csv_scan import Scan
from ingest.manifest import Batch
from ingest.source_file import SourceFile
from runner.step import Step


def check_scan(step: Step, scan: Scan, batches: list[Batch], digest: str) -> None:
    """Raise Refused where the file was cut, or does not fit its header; ACCEPT lets it pass."""
    accept = step.settings.accept
    accepted = bool(accept) and digest.startswith(accept)
    if scan.is_repaired:
        check_last(step, scan, batches, accepted, digest)
        check_rejects(scan, accepted, digest, step.settings)
    else:
        check_end(step, scan, batches, accepted, digest)


def check_end(step: Step, scan: Scan, batches: list[Batch], accepted: bool, digest: str) -> None:
    """A file cut in the middle shows at its end mostly; one cut behind the header is empty."""
    if not scan.records and scan.is_strict_csv:  # else the repair tells
        raise Refused("the file has a header and no record; nothing was changed")
    if scan.ends_with_newline:
        return
    if batches and batches[-1].ends_with_newline and not accepted:
        raise Refused(
            "the file looks cut: its last line has no line end, the previous snapshot's had one; "
            f"nothing was changed. If it is right: make run-all ACCEPT={digest[:12]}"
        )
    step.warn("the last line of the file has no line end; it may have been cut")


def check_last(step: Step, scan: Scan, batches: list[Batch], accepted: bool, digest: str) -> None:
    """A file cut inside a record ends with one that does not fit, with or without a line end."""
    if not scan.records:
        raise Refused("the file has a header and no record; nothing was changed")
    if not scan.last_misfit or scan.rejected == scan.records:
        return
    if batches and batches[-1].ends_with_newline and not accepted:
        raise Refused(
            f"the file looks cut: its last record does not fit the header ({scan.last_misfit}); "
            f"nothing was changed. If it is right: make run-all ACCEPT={digest[:12]}"
        )
    step.warn("the last record of the file does not fit the header; it may have been cut")


def check_rejects(scan: Scan, accepted: bool, digest: str, settings: Settings) -> None:
    """Stop where more records than allowed, by count and by share, do not fit the header."""
    limit = Limit(settings.max_rejected_rows, settings.max_rejected_pct)
    over = limit.exceeded_by(scan.rejected, scan.records)
    if (over and not accepted) or scan.rejected == scan.records:
        import csv

        with open(scan.rejects, encoding="utf-8", newline="") as file:
            examples = [row for row, _ in zip(csv.reader(file), range(4), strict=False)][1:]
        lines = "".join(f"\n  line {line}: {reason}" for line, reason, _ in examples)
        way_out = (
            "Mend the file."
            if scan.rejected == scan.records
            else f"If it is right: make run-all ACCEPT={digest[:12]}"
        )
        raise Refused(
            f"{scan.rejected:,} of {scan.records:,} records "
            f"({share(scan.rejected, scan.records):.1f} %) do not fit the header, allowed are "
            f"{limit.rows} and {limit.pct} %; nothing was changed. {way_out}{lines}"
        )


def needs_repair(scan: Scan, rows: int | None) -> bool:
    """Whether the two parsers disagree on the number of records, or one cannot tell."""
    return rows != scan.records or not scan.is_strict_csv


def check_counts(delivery: SourceFile, scan: Scan, rows: int | None) -> None:
    """Raise Refused where a record is neither in the snapshot nor rejected."""
    if scan.records != (rows or 0) + scan.rejected:
        raise Refused(
            f"{delivery.name}: {scan.records:,} records, but {rows} raw + {scan.rejected} "
            "rejected; the books do not balance, nothing was changed"
        )
    if not rows:
        raise Refused(f"{delivery.name} has a header and no record; nothing was changed")
