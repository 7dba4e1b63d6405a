"""The records that a scan gives, on their way to DuckDB: through pipes, or in a file."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import BinaryIO

from ingest.csv_scan import Scan, skip_line
from warehouse.quoting import literal

PIPES = 2  # DuckDB reads each with one thread; the scan keeps two busy
POLL_S = 0.001  # how often a writer looks for its reader
AHEAD = 256  # pieces, of 1 MB mostly, that may wait for a pipe while the digest is taken
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; longer ones get what they need


def read_csv_query(found: Scan, width: int) -> str:
    """The query for all records: source_line, c0, c1, ... as text.

    DuckDB's strict parser raises where a record does not have this very form; a record that it
    takes for another cannot begin with a line number.
    """
    columns = ", ".join(
        ["'source_line': 'BIGINT'", *(f"'c{at}': 'VARCHAR'" for at in range(width))]
    )
    files = ", ".join(literal(part) for part in found.parts)
    delimiter = "," if found.is_repaired else found.delimiter
    return (
        f"SELECT * FROM read_csv([{files}], auto_detect = false, header = false, skip = 1, "
        f"columns = {{{columns}}}, delim = {literal(delimiter)}, "
        "quote = '\"', escape = '\"', strict_mode = true, "
        f"max_line_size = {max(SPARE_RECORD_BYTES, 2 * found.longest_record)})"
    )


def write_to_file(pieces: Iterator[bytes], found: Scan, path: Path) -> None:
    """Write all pieces of a scan into a file, to be read more than once."""
    first = next(pieces, b"")
    with open(path, "wb") as file:
        file.write(skip_line(found, first) + first)
        file.writelines(pieces)
    found.parts = [path]


@contextmanager
def stream_through_pipes(pieces: Iterator[bytes], found: Scan, folder: Path) -> Iterator[None]:
    """Let found.parts be pipes, through which the text runs while it is scanned: once, unordered.

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
        write_to_file(chain([first], pieces), found, folder / "whole.csv")
        yield
        return
    queue, failed, over, top = Queue(AHEAD), [], Event(), skip_line(found, first)

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
    found.parts = parts
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
