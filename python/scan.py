"""One pass over the delivered bytes: encoding repair, line ends, and an own record count.

The pass gives the text as clean UTF-8, for a CSV parser to read meanwhile; each record has its line
number before its first field. `scan` trusts the file's structure and counts its records by the
parity of quote characters, at memory speed: a second opinion that a parser's own count must equal.
`scan_carefully` is for files where it does not: it takes the file apart record by record, keeps
what fits the header and sets the rest aside with line, reason and text.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from contract import normalised
from errors import Refused
from files import BLOCK_BYTES

PIECE_BYTES = 1 << 20  # of text, for a pipe; the blocks are smaller, as a core's cache is
MAX_LINE_BYTES = 64 << 20  # no catalogue has such a line; a file that has is not text
MAX_REPORTED_LINES = 100
MAX_COLUMNS = 1_000  # DuckDB takes 1 MB a column to write Parquet; no catalogue has so many
DELIMITERS = ",;\t|"
NOT_STRUCTURE = bytes(set(range(256)) - set(b'"\r\n'))
UTF8_BOM, UTF16_BOMS = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Scan:
    """What one pass found. Lines count from 1 and end in LF, CRLF or, in odd files, CR."""

    header: list[str] = field(default_factory=list)
    delimiter: str = ","
    encoding: str = "utf-8"
    size: int = 0  # bytes of text, as they were delivered
    lines: int = 0  # line feeds read so far
    records: int = 0
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
    last_misfit: str = ""  # why the last record does not fit, where it does not
    parts: list[Path] = field(default_factory=list)  # where the parser finds the records
    rejects: Path | None = None
    careful: bool = False  # read record by record; its parts have commas whatever the file has

    @property
    def plain(self) -> bool:
        """Whether a strict CSV parser should read the parts as they are."""
        return not (self.lines_cr or self.nul_bytes or self.quote_left_open)


def scan(stream: BinaryIO, found: Scan, names: set[str]) -> Iterator[bytes]:
    """Repair and number a stream; the text behind its header, in pieces of whole records.

    `names` are the column names (as `normalised` gives them) by which a header is recognised.
    `found` has the header with the first piece, and the counts, by quote parity, behind the last.
    Raises Refused where the bytes are not a delimited text with such a header.
    """
    pieces, waiting, odd, last, any_lf = [], 0, False, b"\n", False
    for block in text_blocks(stream, found):
        last, any_lf = block[-1:], any_lf or b"\n" in block
        if not found.header:
            block = block[read_header(block, found, names) :]
        # What is left of the block without its text is quotes and line ends; without whole
        # quoted fields, too, it is the records' ends.
        marks = block.translate(None, NOT_STRUCTURE)
        line_feeds = marks.count(b"\n")
        found.lines_cr += marks.count(b"\r") - marks.count(b"\r\n")
        found.nul_bytes += block.count(b"\0") if b"\0" in block else 0
        marks = (b'"' + marks if odd else marks).replace(b'""', b"")
        pieces.append(numbered(block, lines_inside(marks, odd), found))
        waiting += len(block)
        odd = marks.count(b'"') % 2 == 1
        marks = re.sub(rb'"[^"]*("|$)', b"", marks)
        ended = marks.count(b"\n")
        found.lines_crlf += marks.count(b"\r\n")
        found.lines_lf += ended - marks.count(b"\r\n")
        found.records += ended
        found.lines += line_feeds
        if odd and waiting > MAX_LINE_BYTES:
            found.quote_left_open = True
        if (waiting >= PIECE_BYTES and not odd) or found.quote_left_open:
            yield b"".join(pieces)
            pieces, waiting = [], 0
    if not found.header:
        raise Refused("the file is empty")
    found.quote_left_open |= odd
    found.ends_with_newline = last == b"\n" or (last == b"\r" and not any_lf)  # not half a CRLF
    found.records += bool(block) and not found.ends_with_newline
    yield b"".join(pieces)


def numbered(block: bytes, inside: list[int], found: Scan) -> bytes:
    """The block with its line number as first field of each record.

    `inside` are the lines of the block (from 0) that begin within quotes: they start no record.
    """
    lines = block.split(b"\n")
    prefix = b"\n%d" + found.delimiter.encode()
    first = found.lines + 1
    pieces = [b""] * (2 * len(lines))
    pieces[0::2] = [prefix % number for number in range(first, first + len(lines))]
    pieces[1::2] = lines
    for line in inside:
        pieces[2 * line] = b"\n"
    if not lines[-1]:
        pieces[-2] = b"\n"  # the end of the last line: no record begins behind it
    return b"".join(pieces).removeprefix(b"\n")


def lines_inside(marks: bytes, odd: bool) -> list[int]:
    """Which lines (from 0) begin within quotes, from a block's quotes and line ends alone."""
    inside = [0] if odd else []
    for quoted in re.finditer(rb'"[^"]*("|$)', marks):
        before = marks.count(b"\n", 0, quoted.start())
        inside += range(before + 1, before + 1 + quoted[0].count(b"\n"))
    return inside


def head(found: Scan, text: bytes) -> bytes:
    """A first line, to be skipped: the parser learns from it how the lines of this text end."""
    line_end = b"\r\n" if b"\r\n" in text[: text.find(b"\n") + 1] else b"\n"
    return found.delimiter.join(["head"] * (1 + len(found.header))).encode() + line_end


def scan_carefully(stream: BinaryIO, folder: Path, names: set[str]) -> Scan:
    """Like `scan`, but record by record: misfits go to a rejects file, the rest into the parts.

    The rejects file is a CSV with source_line, reason, raw_text. Slower by far; for damaged files.
    """
    found = Scan(careful=True)
    csv.field_size_limit(2 * MAX_LINE_BYTES)
    rejects = folder / "rejects.csv"
    part = folder / "careful.csv"
    lines = text_lines(text_blocks(stream, found), found, names)
    with (
        open(part, "w", encoding="utf-8", newline="") as kept_file,
        open(rejects, "w", encoding="utf-8", newline="") as rejects_file,
    ):
        kept, aside = csv.writer(kept_file), csv.writer(rejects_file)
        kept_file.write("head\r\n")
        aside.writerow(["source_line", "reason", "raw_text"])
        for number, fields, reason, raw in split_records(lines, found):
            found.records += 1
            found.lines_crlf += raw.endswith("\r\n")
            found.lines_lf += raw.endswith("\n") and not raw.endswith("\r\n")
            found.lines_cr += raw.endswith("\r")
            found.longest_record = max(found.longest_record, len(raw.encode()))
            found.last_misfit = reason
            if reason:
                found.rejected += 1
                aside.writerow([number, reason, raw.rstrip("\r\n")])
            else:
                kept.writerow([number, *fields])
    if not found.header:
        raise Refused("the file is empty")
    found.parts, found.rejects = [part], rejects if found.rejected else None
    return found


def text_blocks(stream: BinaryIO, found: Scan) -> Iterator[bytes]:
    """The stream as clean UTF-8 without BOM, in blocks that end with a line.

    Bytes that are no UTF-8 are read as Windows-1252, only they and nothing around them; the five
    bytes that Windows-1252 leaves undefined are read as Latin-1.
    """
    codecs.register_error("foreign-bytes", read_as_windows_1252)
    for block in line_blocks(decoded(stream, found)):
        pieces, done = [], 0
        view = memoryview(block)
        while True:
            try:
                codecs.utf_8_decode(view[done:], "strict", True)
                break
            except UnicodeDecodeError as error:  # mend this line, go on behind it
                start = block.rfind(b"\n", 0, done + error.start) + 1
                end = block.find(b"\n", start) + 1 or len(block)
                pieces.append(block[done:start])
                pieces.append(block[start:end].decode(errors="foreign-bytes").encode())
                found.repaired_lines += 1
                if found.repaired_lines <= MAX_REPORTED_LINES:
                    number = found.lines + 1 + block.count(b"\n", 0, start)
                    found.repaired_line_numbers.append(number)
                done = end
        if pieces:
            name_foreign(found)
            block = b"".join([*pieces, block[done:]])
        yield block


def name_foreign(found: Scan) -> None:
    if "windows-1252" not in found.encoding:
        found.encoding += f"{' and' if 'with' in found.encoding else ' with'} windows-1252"


def read_as_windows_1252(error: UnicodeDecodeError) -> tuple[str, int]:
    """A codec error handler: the offending bytes, and only they, are Windows-1252."""
    run = error.object[error.start : error.end]
    return "".join(WINDOWS_1252[byte] for byte in run), error.end


WINDOWS_1252 = [
    bytes([byte]).decode("cp1252", "ignore") or bytes([byte]).decode("latin-1")
    for byte in range(256)
]


def decoded(stream: BinaryIO, found: Scan) -> Iterator[bytes]:
    """The stream's blocks as UTF-8 (or nearly), whatever its byte order mark says."""
    block = read(stream, found)
    if block.startswith(UTF8_BOM):
        found.encoding = "utf-8 with BOM"
        block = block[len(UTF8_BOM) :]
    elif block.startswith(UTF16_BOMS) and not block.startswith(codecs.BOM_UTF32_LE):
        found.encoding = "utf-16"
        decoder = codecs.getincrementaldecoder("utf-16")()
        while block:
            try:
                yield decoder.decode(block).encode()
            except UnicodeError as error:
                raise Refused(f"the file starts as UTF-16 but is not: {error}") from None
            block = read(stream, found)
        if decoder.getstate()[0]:
            raise Refused("the file is UTF-16 and ends in the middle of a character: it was cut")
        return
    elif block.count(b"\0") * 10 > len(block):
        raise Refused("the file is not text, or UTF-16 without byte order mark: it is full of NULs")
    while block:
        yield block
        block = read(stream, found)


def read(stream: BinaryIO, found: Scan) -> bytes:
    block = stream.read(BLOCK_BYTES)
    found.size += len(block)
    return block


def line_blocks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup blocks so that each ends with a line end (the last one may not)."""
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


def read_header(block: bytes, found: Scan, names: set[str]) -> int:
    """Set found.header, .delimiter and .lines from the first block; return the header's length.

    The delimiter is the one under which most columns have a known name.
    """
    lines = list(io.StringIO(block.decode(), newline=""))
    blank = 0
    while blank < len(lines) and not lines[blank].strip():
        blank += 1
    if blank == len(lines):
        raise Refused("the file is empty: it has only blank lines")
    best = (0, [], ",", 0)
    for delimiter in DELIMITERS:
        reader = csv.reader(lines[blank:], delimiter=delimiter, strict=True)
        try:
            header = next(reader)
        except csv.Error:
            continue
        known = sum(normalised(name) in names for name in header)
        if known > best[0]:
            best = (known, header, delimiter, blank + reader.line_num)
    known, header, delimiter, taken = best
    if known < 2:
        start = lines[blank].strip()[:80]
        raise Refused(
            f"no recognisable header: the file starts with {start!r}, expected column names like "
            f"{', '.join(sorted(names)[:5])}"
        )
    if any("\0" in name for name in header):
        raise Refused("the header has a NUL byte; nothing was changed")
    if len(header) > MAX_COLUMNS:
        raise Refused(
            f"the header names {len(header):,} columns, allowed are {MAX_COLUMNS:,}; nothing was "
            "changed"
        )
    found.header, found.delimiter = [name.strip() for name in header], delimiter
    found.lines = taken
    return len("".join(lines[:taken]).encode())


def text_lines(blocks: Iterable[bytes], found: Scan, names: set[str]) -> Iterator[tuple[int, str]]:
    """(line number, line with its end) behind the header."""
    for block in blocks:
        if not found.header:
            block = block[read_header(block, found, names) :]
        for line in io.StringIO(block.decode(), newline=""):
            found.ends_with_newline = line[-1] in "\r\n"
            yield found.lines + 1, line
            found.lines += 1


def split_records(
    lines: Iterator[tuple[int, str]], found: Scan
) -> Iterator[tuple[int, list[str] | None, str, str]]:
    """Yield (line, fields, "", raw) for a good record and (line, None, reason, raw) for a misfit.

    A record over several lines must be perfectly quoted; where it is not, only its first line is
    a misfit and reading goes on at the next line, so that one open quote costs one line.
    """
    ahead: deque[tuple[int, str]] = deque()
    while True:
        item = ahead.popleft() if ahead else next(lines, None)
        if item is None:
            return
        number, line = item
        if not line.strip():
            found.blank_lines += 1
            continue
        fields, reason = parse([line], found)
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
            fields, reason = parse([text for _, text in taken], found)
            if reason or not strictly_quoted(raw, found.delimiter):
                ahead.extendleft(reversed(taken[1:]))
                fields, reason, raw = None, OPEN_QUOTE, line
        yield number, fields, reason, raw


OPEN_QUOTE = "a quote is opened and never properly closed"


def parse(lines: list[str], found: Scan) -> tuple[list[str] | None, str]:
    """The fields of one record, or the reason why it is a misfit."""
    if any("\0" in line for line in lines):
        return None, "a NUL byte"
    try:
        records = list(csv.reader(lines, delimiter=found.delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None, OPEN_QUOTE
        return None, f"broken quotes: {error}"
    if len(records) != 1:
        return None, OPEN_QUOTE
    fields, width = records[0], len(found.header)
    if len(fields) == width + 1 and not fields[-1]:  # as DuckDB reads a delimiter at the line's end
        fields.pop()
    if len(fields) != width:
        return None, f"{len(fields)} fields, the header has {width}"
    return fields, ""


def strictly_quoted(raw: str, delimiter: str) -> bool:
    """Whether quotes stand only around whole fields (RFC 4180)."""
    one = rf'(?:"(?:[^"]++|"")*+"|[^"{re.escape(delimiter)}\r\n]*+)'
    return bool(re.fullmatch(rf"{one}(?:{re.escape(delimiter)}{one})*+(?:\r\n|\n|\r)?", raw))
