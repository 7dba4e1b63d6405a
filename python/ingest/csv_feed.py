"""Feed DuckDB with the records that a scan gives, and let it write them as Parquet.

Who feeds whom, in `stream_through_pipes`; each arrow is a hand-over, each line of it a thread:

    scan_on:        the file -> scan_csv -> queue of pieces (at most AHEAD)
    pour, twice:    queue -> a named pipe (part0.csv, part1.csv)
    the caller's:   its block: digest the file, then write_snapshot: DuckDB reads both pipes

A piece is text of whole records with their line numbers. `scan` has the header before the block
begins, and the counts when it is over: by then all threads have ended. The first error of any of
them is the one that is raised. Without named pipes, `write_to_file` goes before the block.
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
from runner.files import replace_atomically
from warehouse.database import connect, identifier, literal

PIPES = 2  # DuckDB reads each with one thread; the scan keeps two busy
POLL_S = 0.001  # how often a writer looks for its reader
AHEAD = 256  # pieces, of 1 MB mostly, that may wait for a pipe while the digest is taken
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; longer ones get what they need


@contextmanager
def stream_through_pipes(pieces: Iterator[bytes], scan: Scan, folder: Path) -> Iterator[None]:
    """Let scan.parts be pipes, through which the text runs while it is scanned: once, unordered.

    Behind the block the scan is at its end, whether the text was read or not, and what it (or a
    pipe) raised is raised. Where there are no named pipes the text waits in a file.
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
    queue, failed, over, top = Queue(AHEAD), [], Event(), skip_line(scan, first)

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
            with suppress(BrokenPipeError), end:  # the parser may object, or not even begin
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
    """Make a named pipe, and open its end for writing: so its reader need not wait for that."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without one the other end does not open
    try:
        return open(path, "wb")
    finally:
        os.close(reader)


def wait_for_reader(end: BinaryIO, over: Event) -> bool:
    """Wait until somebody opened the other end; False where it is over before.

    Not before may this end be closed, be it for an error: the other would wait to be opened.
    """
    look = select.poll()
    look.register(end, 0)
    while look.poll(0):  # no reader: an error, which is told unasked
        if over.wait(POLL_S):
            return False
    return True


def write_to_file(pieces: Iterator[bytes], scan: Scan, path: Path) -> None:
    """Write all pieces of a scan into a file, to be read more than once."""
    first = next(pieces, b"")
    with open(path, "wb") as file:
        file.write(skip_line(scan, first) + first)
        file.writelines(pieces)
    scan.parts = [path]


def skip_line(scan: Scan, text: bytes) -> bytes:
    """A first line, to be skipped: the parser learns from it how the lines of this text end."""
    line_end = b"\r\n" if b"\r\n" in text[: text.find(b"\n") + 1] else b"\n"
    return scan.delimiter.join(["head"] * (1 + len(scan.header))).encode() + line_end


def write_snapshot(
    scan: Scan, columns: list[str], target: Path, lineage: list, settings: Settings
) -> int | None:
    """Write the parts as Parquet with DuckDB's strict CSV parser.

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
            f"TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)",
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
    """The query for all records: source_line, c0, c1, ... as text.

    DuckDB's strict parser raises where a record does not have this very form; a record that it
    takes for another cannot begin with a line number.
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
