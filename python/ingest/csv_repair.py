"""Read a damaged file record by record: keep what fits the header, reject the rest.

For files on which `scan_csv` and DuckDB's parser disagree. Far slower.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from config import Settings
from errors import Refused
from ingest.csv_scan import MAX_LINE_BYTES, Scan, read_header, read_text_blocks
from ingest.source_file import Readable, SourceFile, open_source


def repair_source(delivery: SourceFile, names: set[str], folder: Path, settings: Settings) -> Scan:
    """Read the file record by record, as the two parsers disagree or one cannot tell.

    If no record fits, but one would without the delimiter at its end, the file is read again as one
    whose records all end that way.
    """
    for surplus in (0, 1):
        with open_source(delivery, settings.max_file_size) as stream:
            scan = repair_csv(stream, folder, names, surplus)
        if scan.rejected < scan.records or not scan.may_have_surplus:
            break
    return scan


def repair_csv(stream: Readable, folder: Path, names: set[str], surplus: int = 0) -> Scan:
    """Scan record by record: misfits go to a rejects file, all others into one part.

    The rejects file is a CSV with source_line, reason, raw_text.
    """
    scan = Scan(is_repaired=True, surplus=surplus)
    csv.field_size_limit(2 * MAX_LINE_BYTES)
    rejects = folder / "rejects.csv"
    part = folder / "careful.csv"
    lines = read_lines(read_text_blocks(stream, scan), scan, names)
    with (
        open(part, "w", encoding="utf-8", newline="") as kept_file,
        open(rejects, "w", encoding="utf-8", newline="") as rejects_file,
    ):
        kept, aside = csv.writer(kept_file), csv.writer(rejects_file)
        kept_file.write("head\r\n")
        aside.writerow(["source_line", "reason", "raw_text"])
        for number, fields, reason, raw in split_records(lines, scan):
            scan.records += 1
            scan.lines_crlf += raw.endswith("\r\n")
            scan.lines_lf += raw.endswith("\n") and not raw.endswith("\r\n")
            scan.lines_cr += raw.endswith("\r")
            scan.longest_record = max(scan.longest_record, len(raw.encode()))
            scan.last_misfit = reason
            if reason:
                scan.rejected += 1
                aside.writerow([number, reason, raw.rstrip("\r\n")])
            else:
                kept.writerow([number, *fields])
    if not scan.header:
        raise Refused("the file is empty")
    scan.parts, scan.rejects = [part], rejects
    return scan


def read_lines(blocks: Iterable[bytes], scan: Scan, names: set[str]) -> Iterator[tuple[int, str]]:
    """Yield (line number, line with its end) of each line after the header."""
    for block in blocks:
        if not scan.header:
            block = block[read_header(block, scan, names) :]
        for line in io.StringIO(block.decode(), newline=""):
            scan.ends_with_newline = line[-1] in "\r\n"
            yield scan.lines + 1, line
            scan.lines += 1


def split_records(
    lines: Iterator[tuple[int, str]], scan: Scan
) -> Iterator[tuple[int, list[str], str, str]]:
    """Yield (line, fields, "", raw) for a good record and (line, [], reason, raw) for a misfit.

    A record over several lines must be perfectly quoted. If it is not, only its first line is a
    misfit, and reading goes on at the next line: one open quote costs one line.
    """
    ahead: deque[tuple[int, str]] = deque()
    while True:
        item = ahead.popleft() if ahead else next(lines, None)
        if item is None:
            return
        number, line = item
        if not line.strip():
            scan.blank_lines += 1
            continue
        fields, reason = parse_record([line], scan)
        taken, size, quotes = [item], len(line), line.count('"')
        while reason is OPEN_QUOTE and quotes % 2 and size < MAX_LINE_BYTES:
            more = ahead.popleft() if ahead else next(lines, None)
            if more is None:
                break
            taken.append(more)
            size += len(more[1])
            quotes += more[1].count('"')
        raw = line
        if len(taken) > 1:
            raw = "".join(text for _, text in taken)
            fields, reason = parse_record([text for _, text in taken], scan)
            if reason or not is_strictly_quoted(raw, scan.delimiter):
                ahead.extendleft(reversed(taken[1:]))
                fields, reason, raw = [], OPEN_QUOTE, line
        yield number, fields, reason, raw


OPEN_QUOTE = "a quote is opened and never properly closed"


def parse_record(lines: list[str], scan: Scan) -> tuple[list[str], str]:
    """Return the fields of one record and "", or no fields and the reason why it is a misfit."""
    if any("\0" in line for line in lines):
        return [], "a NUL byte"
    try:
        records = list(csv.reader(lines, delimiter=scan.delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return [], OPEN_QUOTE
        return [], f"broken quotes: {error}"
    if len(records) != 1:
        return [], OPEN_QUOTE
    fields, width = records[0], len(scan.header)
    if len(fields) == width + scan.surplus and not any(fields[width:]):
        return fields[:width], ""
    scan.may_have_surplus |= len(fields) == width + 1 and not fields[-1]
    return [], f"{len(fields)} fields, the header has {width}"


def is_strictly_quoted(raw: str, delimiter: str) -> bool:
    """Return whether quotes stand only around whole fields (RFC 4180)."""
    one = rf'(?:"(?:[^"]++|"")*+"|[^"{re.escape(delimiter)}\r\n]*+)'
    return bool(re.fullmatch(rf"{one}(?:{re.escape(delimiter)}{one})*+(?:\r\n|\n|\r)?", raw))
