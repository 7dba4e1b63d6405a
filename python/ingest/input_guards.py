"""What stops a file before it becomes a snapshot."""

from pathlib import Path

from config import Limit, Settings, share
from errors import Refused
from ingest.csv_scan import Scan
from ingest.manifest import Batch
from ingest.source_file import SourceFile, source_digest
from runner.step import Step


def check_digest(delivery: SourceFile) -> None:
    if delivery.sha256 and delivery.sha256 != source_digest(delivery):
        raise Refused(
            f"{delivery.name} has SHA-256 {source_digest(delivery)[:12]}..., its .sha256 file "
            f"promises {delivery.sha256[:12]}...; nothing was changed. It was damaged or cut on "
            "the way."
        )


def check_end(step: Step, found: Scan, batches: list[Batch], accepted: bool, digest: str) -> None:
    """A file cut in the middle shows at its end mostly; one cut behind the header is empty."""
    if not found.records and found.is_strict_csv:  # else the careful reading tells
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
    limit = Limit(settings.max_rejected_rows, settings.max_rejected_pct)
    over = limit.exceeded_by(found.rejected, found.records)
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
            f"{found.rejected:,} of {found.records:,} records "
            f"({share(found.rejected, found.records):.1f} %) do not fit the header, allowed are "
            f"{limit.rows} and {limit.pct} %; nothing was changed. {way_out}{lines}"
        )
