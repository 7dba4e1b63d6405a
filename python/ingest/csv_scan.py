"""Scan the delivered bytes once: repair the encoding, number the lines, count the records.

A CSV parser reads the result meanwhile: clean UTF-8, each record with its line number as first
field. `scan_csv` trusts the file's structure and counts records and delimiters by the parity of
quote characters, at memory speed. The parser's own count must equal this second opinion.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from column import normalise
from errors import Refused
from ingest.source_file import Readable
from runner.files import BLOCK_BYTES

PIECE_BYTES = 1 << 20  # of text, for a pipe; blocks are smaller, to fit into a core's cache
MAX_LINE_BYTES = 64 << 20  # a file with a longer line is not text
MAX_REPORTED_LINES = 100
MAX_COLUMNS = 1_000  # DuckDB needs 1 MB per column to write Parquet; no catalogue has so many
DELIMITERS = ",;\t|"
NOT_STRUCTURE = {
    sign.encode(): bytes(set(range(256)) - set(f'"{sign}\r\n'.encode())) for sign in DELIMITERS
}
UTF8_BOM, UTF16_BOMS = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Scan:
    """What one scan found. Lines count from 1 and end in LF, CRLF or, in odd files, CR."""

    header: list[str] = field(default_factory=list)
    delimiter: str = ","
    encoding: str = "utf-8"
    size: int = 0  # bytes of text as delivered
    lines: int = 0  # line feeds read so far
    records: int = 0
    delimiters: int = 0  # of all records
    rejected: int = 0
    blank_lines: int = 0
    repaired_lines: int = 0
    repaired_line_numbers: list[int] = field(default_factory=list)  # the first 100
    lines_crlf: int = 0
    lines_lf: int = 0
    lines_cr: int = 0
    nul_bytes: int = 0
    quote_left_open: bool = False  # at the end, or for longer than any record is
    ends_with_newline: bool = True
    longest_record: int = 0
    surplus: int = 0  # empty fields at the end of each record, beyond the header: 0 or 1
    may_have_surplus: bool = False  # a record was rejected only for such a field
    last_misfit: str = ""  # why the last record does not fit; empty if it does
    parts: list[Path] = field(default_factory=list)  # where the parser finds the records
    rejects: Path = Path()  # where they are, if there are any
    is_repaired: bool = False  # read record by record; its parts are separated by commas

    @property
    def is_strict_csv(self) -> bool:
        """Whether a strict CSV parser can read the parts as they are."""
        return not (self.lines_cr or self.nul_bytes or self.quote_left_open or self.is_uneven)

    @property
    def is_uneven(self) -> bool:
        """Whether some records, but not all, may have one field more than the header.

        DuckDB raises for a record with too few fields, but accepts an extra field that is empty:
        then each value after a stray delimiter is in the wrong column.
        """
        surplus = self.delimiters - self.records * (len(self.header) - 1)
        return surplus not in (0, self.records)


def scan_csv(stream: Readable, scan: Scan, names: set[str]) -> Iterator[bytes]:
    """Repair and number a stream; yield the text after its header, in pieces of whole records.

    A header is recognised by `names`, column names as `normalise` returns them. `scan` has the
    header once the first piece is out, and the counts after the last. Raises Refused if the bytes
    are not delimited text with such a header.
    """
    pieces, waiting, odd, last, any_lf = [], 0, False, b"\n", False
    for block in read_text_blocks(stream, scan):
        last, any_lf = block[-1:], any_lf or b"\n" in block
        if not scan.header:
            block = block[read_header(block, scan, names) :]
        # `marks` is the block without its text: quotes, delimiters and line ends. `outside` lacks
        # what is in quotes, too: what is left are the delimiters and the end of each record.
        delimiter = scan.delimiter.encode()
        marks = block.translate(None, NOT_STRUCTURE[delimiter])
        line_feeds = marks.count(b"\n")
        scan.lines_cr += marks.count(b"\r") - marks.count(b"\r\n")
        scan.nul_bytes += block.count(b"\0") if b"\0" in block else 0
        outside = b"".join(marks.split(b'"')[odd::2])
        ended = outside.count(b"\n")
        inside = []
        if odd or ended < line_feeds:
            inside = find_lines_inside_quotes(marks, delimiter, odd)
        pieces.append(add_line_numbers(block, inside, scan))
        waiting += len(block)
        odd ^= marks.count(b'"') % 2 == 1
        scan.lines_crlf += outside.count(b"\r\n")
        scan.lines_lf += ended - outside.count(b"\r\n")
        scan.records += ended
        scan.lines += line_feeds
        scan.delimiters += outside.count(delimiter)
        if odd and waiting > MAX_LINE_BYTES:
            scan.quote_left_open = True
        if (waiting >= PIECE_BYTES and not odd) or scan.quote_left_open:
            yield b"".join(pieces)
            pieces, waiting = [], 0
    if not scan.header:
        raise Refused("the file is empty")
    scan.quote_left_open |= odd
    scan.ends_with_newline = last == b"\n" or (last == b"\r" and not any_lf)  # not half a CRLF
    scan.records += bool(block) and not scan.ends_with_newline
    yield b"".join(pieces)


def add_line_numbers(block: bytes, inside: list[int], scan: Scan) -> bytes:
    """Return the block with the line number as first field of each record.

    `inside` are the lines of the block (from 0) that begin within quotes: no record starts there.
    """
    lines = block.split(b"\n")
    prefix = b"\n%d" + scan.delimiter.encode()
    first = scan.lines + 1
    pieces = [b""] * (2 * len(lines))
    pieces[0::2] = [prefix % number for number in range(first, first + len(lines))]
    pieces[1::2] = lines
    for line in inside:
        pieces[2 * line] = b"\n"
    if not lines[-1]:
        pieces[-2] = b"\n"  # after the last line end no record begins
    return b"".join(pieces).removeprefix(b"\n")


def find_lines_inside_quotes(marks: bytes, delimiter: bytes, odd: bool) -> list[int]:
    """Return the lines (from 0) that begin within quotes, from a block's quotes and line ends."""
    marks = (b'"' * odd + marks.translate(None, delimiter)).replace(b'""', b"")
    inside = [0] if odd else []
    for quoted in re.finditer(rb'"[^"]*("|$)', marks):
        before = marks.count(b"\n", 0, quoted.start())
        inside += range(before + 1, before + 1 + quoted[0].count(b"\n"))
    return inside


def read_header(block: bytes, scan: Scan, names: set[str]) -> int:
    """Set scan.header, .delimiter and .lines from the first block; return the header's bytes.

    The delimiter is the one that gives the most columns a known name.
    """
    lines = list(io.StringIO(block.decode(), newline=""))
    blank = 0
    while blank < len(lines) and not lines[blank].strip():
        blank += 1
    if blank == len(lines):
        raise Refused("the file is empty: it has only blank lines")
    best: tuple[int, list[str], str, int] = (0, [], ",", 0)
    for delimiter in DELIMITERS:
        reader = csv.reader(lines[blank:], delimiter=delimiter, strict=True)
        try:
            header = next(reader)
        except csv.Error:
            continue
        matches = sum(normalise(name) in names for name in header)
        if matches > best[0]:
            best = (matches, header, delimiter, blank + reader.line_num)
    matches, header, delimiter, taken = best
    if matches < 2:
        start = lines[blank].strip()[:80]
        raise Refused(
            f"no recognisable header: the file starts with {start!r}, expected column names like "
            f"{', '.join(sorted(names)[:5])}"
        )
    if any("\0" in name for name in header):
        raise Refused("the header has a NUL byte")
    if len(header) > MAX_COLUMNS:
        raise Refused(f"the header names {len(header):,} columns, allowed are {MAX_COLUMNS:,}")
    scan.header, scan.delimiter = [name.strip() for name in header], delimiter
    scan.lines = taken
    return len("".join(lines[:taken]).encode())


def read_text_blocks(stream: Readable, scan: Scan) -> Iterator[bytes]:
    """Yield the stream as clean UTF-8 without BOM, in blocks that end with a line.

    Only the bytes that are not UTF-8 are read as Windows-1252, and the five bytes that Windows-1252
    leaves undefined as Latin-1.
    """
    codecs.register_error("foreign-bytes", read_as_windows_1252)
    for block in split_at_line_ends(decode_blocks(stream, scan)):
        pieces, done = [], 0
        view = memoryview(block)
        while True:
            try:
                codecs.utf_8_decode(view[done:], "strict", True)
                break
            except UnicodeDecodeError as error:  # repair this line, go on after it
                start = block.rfind(b"\n", 0, done + error.start) + 1
                end = block.find(b"\n", start) + 1 or len(block)
                pieces.append(block[done:start])
                pieces.append(block[start:end].decode(errors="foreign-bytes").encode())
                scan.repaired_lines += 1
                if scan.repaired_lines <= MAX_REPORTED_LINES:
                    number = scan.lines + 1 + block.count(b"\n", 0, start)
                    scan.repaired_line_numbers.append(number)
                done = end
        if pieces:
            if "windows-1252" not in scan.encoding:
                scan.encoding += f"{' and' if 'with' in scan.encoding else ' with'} windows-1252"
            block = b"".join([*pieces, block[done:]])
        yield block


def read_as_windows_1252(error: Any) -> tuple[str, int]:
    """Handle a codec's error: decode the offending bytes, and only them, as Windows-1252."""
    run = error.object[error.start : error.end]
    return "".join(WINDOWS_1252[byte] for byte in run), error.end


WINDOWS_1252 = [
    bytes([byte]).decode("cp1252", "ignore") or bytes([byte]).decode("latin-1")
    for byte in range(256)
]


def decode_blocks(stream: Readable, scan: Scan) -> Iterator[bytes]:
    """Yield the stream's blocks as UTF-8 without byte order mark; foreign bytes stay in."""
    block = read_block(stream, scan)
    if block.startswith(UTF8_BOM):
        scan.encoding = "utf-8 with BOM"
        block = block[len(UTF8_BOM) :]
    elif block.startswith(UTF16_BOMS) and not block.startswith(codecs.BOM_UTF32_LE):
        scan.encoding = "utf-16"
        decoder = codecs.getincrementaldecoder("utf-16")()
        while block:
            try:
                yield decoder.decode(block).encode()
            except UnicodeError as error:
                raise Refused(f"the file starts as UTF-16 but is not: {error}") from None
            block = read_block(stream, scan)
        if decoder.getstate()[0]:
            raise Refused("the file is UTF-16 and ends in the middle of a character: it was cut")
        return
    elif block.count(b"\0") * 10 > len(block):
        raise Refused("the file is not text, or UTF-16 without byte order mark: it is full of NULs")
    while block:
        yield block
        block = read_block(stream, scan)


def read_block(stream: Readable, scan: Scan) -> bytes:
    block = stream.read(BLOCK_BYTES)
    scan.size += len(block)
    return block


def split_at_line_ends(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup blocks so that each but the last ends with a line end."""
    rest = b""
    for block in blocks:
        block = rest + block
        cut = block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, -1) + 1
        if not cut and len(block) > MAX_LINE_BYTES:
            raise Refused(f"the file has a line of over {MAX_LINE_BYTES >> 20} MiB: it is no CSV")
        if cut:
            yield block[:cut]
        rest = block[cut:]
    if rest:
        yield rest
