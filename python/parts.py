"""The records that a scan gives, on their way to DuckDB: through pipes, or in a file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Queue
from threading import Thread

from contract import normalised
from errors import Refused
from scan import Scan, head
from warehouse import literal

PIPES = 2  # DuckDB reads each with one thread; the scan keeps two busy
AHEAD = 16  # pieces of the text, of 1 MB mostly, that may wait for a pipe

LINEAGE = ("ingestion_ts", "source_file", "source_line", "batch_id", "record_hash")
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; longer ones get what they need


def records(found: Scan, width: int) -> str:
    """The query for all records: source_line, c0, c1, ... as text.

    DuckDB's strict parser raises where a record does not have this very form; a record that it
    takes for another cannot begin with a line number.
    """
    columns = ", ".join(
        ["'source_line': 'BIGINT'", *(f"'c{at}': 'VARCHAR'" for at in range(width))]
    )
    files = ", ".join(literal(part) for part in found.parts)
    return (
        f"SELECT * FROM read_csv([{files}], auto_detect = false, header = false, skip = 1, "
        f"columns = {{{columns}}}, delim = {literal(',' if found.careful else found.delimiter)}, "
        "quote = '\"', escape = '\"', strict_mode = true, "
        f"max_line_size = {max(SPARE_RECORD_BYTES, 2 * found.longest_record)})"
    )


def in_file(pieces: Iterator[bytes], found: Scan, path: Path) -> None:
    """Write all pieces of a scan into a file, to be read more than once."""
    first = next(pieces, b"")
    with open(path, "wb") as file:
        file.write(head(found, first) + first)
        file.writelines(pieces)
    found.parts = [path]


@contextmanager
def piped(pieces: Iterator[bytes], found: Scan, folder: Path) -> Iterator[None]:
    """Let found.parts be pipes, through which the text runs while it is scanned: once, unordered.

    Behind the block the scan is at its end, whether the text was read or not, and what it (or a
    pipe) raised is raised. Where the file system has no named pipes the text waits in a file.
    """
    first = next(pieces, b"")  # with it the header is known
    parts = [folder / f"part{number}.csv" for number in range(PIPES)]
    try:
        for part in parts:
            os.mkfifo(part)
    except OSError:
        in_file(chain([first], pieces), found, folder / "whole.csv")
        yield
        return
    queue, failed, top = Queue(AHEAD), [], head(found, first)

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

    def pour(part: Path) -> None:
        waiting = iter(queue.get, None)
        try:
            with (
                suppress(BrokenPipeError),  # the parser objected, or did not even begin
                open(os.open(part, os.O_WRONLY), "wb") as pipe,
            ):
                pipe.write(top)
                pipe.writelines(waiting)
        except BaseException as error:
            failed.append(error)
        for _ in waiting:  # the scan goes on to its end
            pass

    threads = [Thread(target=scan_on), *(Thread(target=pour, args=(part,)) for part in parts)]
    for thread in threads:
        thread.start()
    found.parts = parts
    try:
        yield
    except BaseException as error:
        failed.append(error)
    finally:
        for thread in threads:
            while thread.is_alive():
                let_go(parts)
                thread.join(0.01)
    if failed:
        raise failed[0]


def let_go(parts: Iterable[Path]) -> None:
    """End the waiting of those who would write to pipes that nobody reads."""
    for part in parts:
        os.close(os.open(part, os.O_RDONLY | os.O_NONBLOCK))


def raw_columns(header: list[str]) -> list[str]:
    """Names for the Parquet: as in the file; unnamed ones get their position, as `unnamed_13`.

    Raises Refused where two columns have the same name.
    """
    seen: dict[str, str] = {}
    columns = []
    for position, name in enumerate(header, 1):
        key = normalised(name)
        if not key:
            name = f"unnamed_{position}"
        elif key in LINEAGE:
            name = f"{name}__in_file"
        if normalised(name) in seen:
            raise Refused(
                f"the header names {name!r} twice (columns {seen[normalised(name)]} and "
                f"{position}); nothing was changed"
            )
        seen[normalised(name)] = str(position)
        columns.append(name)
    return columns
