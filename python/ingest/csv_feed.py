"""Feed DuckDB with the records of a scan, and let it write them as Parquet.

Who feeds whom, in `stream_through_pipes`; each arrow is a hand-over, each line of it a thread:

    scan_on:        the file -> scan_csv -> queue of pieces (at most AHEAD)
    pour, twice:    queue -> a named pipe (part0.csv, part1.csv)
    the caller's:   its block: digest the file, then write_snapshot: DuckDB reads both pipes

A piece is text of whole records with their line numbers. `scan` has the header when the block
begins, and the counts when it ends: by then all threads have ended. The first error of any of them
is raised. Without named pipes, `write_to_file` runs before the block.
"""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import BinaryIO

import duckdb

from config import Settings
from ingest.csv_scan import Scan
from runner.files import parquet_options, replace_atomically
from warehouse.database import connect, identifier, literal

PIPES = 2  # DuckDB reads each with one thread; the scan keeps two busy
POLL_S = 0.001  # how often a writer looks for its reader
AHEAD = 256  # pieces, mostly of 1 MB, that may wait for a pipe while the digest is computed
RECORD_BYTES = 400  # of a usual record
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; raised for longer ones


@contextmanager
def stream_through_pipes(pieces: Iterator[bytes], scan: Scan, folder: Path) -> Iterator[None]:
    """Make scan.parts pipes: the text runs through them while it is scanned, once and unordered.

    After the block the scan is complete, even if the text was not read, and an error of the scan or
    a pipe is raised. On a system without named pipes the text waits in a file.
    """
    first = next(pieces, b"")  # with it the header is known
    parts = [folder / f"part{number}.csv" for number in range(PIPES)]
    ends: list[BinaryIO] = []
    try:
        for part in parts:
            ends.append(open_pipe(part))
    except OSError:
        for end in ends:
            end.close()
        write_to_file(chain([first], pieces), scan, folder / "whole.csv")
        yield
        return
    queue: Queue[bytes | None] = Queue(AHEAD)
    failed: list[BaseException] = []
    over, top = Event(), skip_line(scan, first)

    def scan_on() -> None:
        try:
            for piece in chain([first], pieces):
                if failed:
                    break
                queue.put(piece)
        except BaseException as error:
            failed.append(error)
        for _ in parts:
            queue.put(None)

    def pour(end: BinaryIO) -> None:
        waiting = iter(queue.get, None)
        try:
            with suppress(BrokenPipeError), end:  # the parser may fail, or not even begin
                if wait_for_reader(end, over):
                    end.write(top)
                    end.writelines(waiting)
        except BaseException as error:
            failed.append(error)
        for _ in waiting:  # the scan goes on to its end
            pass

    threads = [Thread(target=scan_on), *(Thread(target=pour, args=(end,)) for end in ends)]
    for thread in threads:
        thread.start()
    scan.parts = parts
    try:
        yield
    except BaseException as error:
        failed.append(error)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def open_pipe(path: Path) -> BinaryIO:
    """Make a named pipe and open its end for writing, so that its reader need not wait."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without one the other end does not open
    try:
        return open(path, "wb")
    finally:
        os.close(reader)


def wait_for_reader(end: BinaryIO, over: Event) -> bool:
    """Wait until a reader opened the other end; return False if `over` is set before.

    This end must not be closed earlier, even on an error: the reader would wait forever to open it.
    """
    look = select.poll()
    look.register(end, 0)
    while look.poll(0):  # no reader yet: poll reports an error
        if over.wait(POLL_S):
            return False
    return True


def write_to_file(pieces: Iterator[bytes], scan: Scan, path: Path) -> None:
    """Write all pieces of a scan into a file, which can be read more than once."""
    first = next(pieces, b"")
    with open(path, "wb") as file:
        file.write(skip_line(scan, first) + first)
        file.writelines(pieces)
    scan.parts = [path]


def skip_line(scan: Scan, text: bytes) -> bytes:
    """Return a first line for the parser to skip: it shows how the lines of this text end."""
    line_end = b"\r\n" if b"\r\n" in text[: text.find(b"\n") + 1] else b"\n"
    return scan.delimiter.join(["head"] * (1 + len(scan.header))).encode() + line_end


def write_snapshot(
    scan: Scan, columns: list[str], target: Path, lineage: list, settings: Settings, size: int
) -> int | None:
    """Write the parts of a file of `size` bytes as Parquet with DuckDB's strict CSV parser.

    Columns: the file's as text, then ingestion_ts, source_file, source_line, batch_id, and
    record_hash: 63 bits over header and values. The next run uses record_hash to skip unchanged
    records. It affects only speed, never the result.

    Return the number of rows written, or None if the parser refuses the text.
    """
    con = connect(":memory:", settings, [settings.raw_dir, settings.snapshots])
    con.execute("SET preserve_insertion_order = false")  # source_line carries the order
    renamed = ", ".join(f"c{number} AS {identifier(name)}" for number, name in enumerate(columns))
    values = ", ".join(f"c{number}" for number in range(len(columns)))
    try:
        return con.execute(
            f"COPY (SELECT {renamed}, ?::TIMESTAMP AS ingestion_ts, ? AS source_file, "
            f"source_line, ? AS batch_id, CAST(hash(?, {values}) >> 1 AS BIGINT) AS record_hash "
            f"FROM ({read_csv_query(scan, len(columns))})) "
            f"TO {literal(target)} ({parquet_options(size // RECORD_BYTES)})",
            [*lineage, "\n".join(columns)],
        ).fetchone()[0]
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        con.close()


def write_rejects(scan: Scan, parquet: Path, lineage: list, settings: Settings) -> Path:
    """Write the rejected records to <batch>.rejects.parquet: source_line, reason, raw_text, ..."""
    target = parquet.with_suffix(".rejects.parquet")
    con = connect(":memory:", settings, [settings.raw_dir, settings.snapshots])
    limit = max(SPARE_RECORD_BYTES, 3 * scan.longest_record)
    with replace_atomically(target) as temporary:
        con.execute(
            "COPY (SELECT CAST(source_line AS BIGINT) AS source_line, reason, raw_text, "
            "?::TIMESTAMP AS ingestion_ts, ? AS source_file, ? AS batch_id "
            f"FROM read_csv({literal(scan.rejects)}, auto_detect = false, header = false, "
            "skip = 1, columns = {'source_line': 'VARCHAR', 'reason': 'VARCHAR', "
            "'raw_text': 'VARCHAR'}, delim = ',', quote = '\"', escape = '\"', "
            f"parallel = false, max_line_size = {limit})) "
            f"TO {literal(temporary)} (FORMAT parquet, COMPRESSION zstd)",
            lineage,
        )
    con.close()
    return target


def read_csv_query(scan: Scan, width: int) -> str:
    """Return the query for all records: source_line, and c0, c1, ... as text.

    DuckDB's strict parser raises if a record does not have this form. If it splits one at the wrong
    place, the rest does not begin with a line number.
    """
    columns = ", ".join(
        ["'source_line': 'BIGINT'", *(f"'c{number}': 'VARCHAR'" for number in range(width))]
    )
    files = ", ".join(literal(part) for part in scan.parts)
    delimiter = "," if scan.is_repaired else scan.delimiter
    return (
        f"SELECT * FROM read_csv([{files}], auto_detect = false, header = false, skip = 1, "
        f"columns = {{{columns}}}, delim = {literal(delimiter)}, "
        "quote = '\"', escape = '\"', strict_mode = true, "
        f"max_line_size = {max(SPARE_RECORD_BYTES, 2 * scan.longest_record)})"
    )
