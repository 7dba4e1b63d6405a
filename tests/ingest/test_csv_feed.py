"""The text goes from the scan to DuckDB through pipes, whichever end stops first."""

import csv
import errno
import io
import os
import sys
from pathlib import Path

import pytest
from conftest import catalogue, title

from ingest import csv_feed, csv_scan, snapshot

RAW = "02_create_raw_layer"
NAMES = {"show_id", "type", "title"}
HEAD, LINE, _ = catalogue(title(12345, description="x" * 900)).split("\r\n")
LINES = (LINE.replace("12345", str(number)) for number in range(20_000))
LONG = "\r\n".join((HEAD, *LINES, ""))


def records_of(text: str) -> int:
    return sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1


def piped(tmp_path: Path, text: str = LONG):
    """(what is found, the context of its pipes) for a text of many blocks."""
    found = csv_scan.Scan()
    return found, csv_feed.stream_through_pipes(
        csv_scan.scan_csv(io.BytesIO(text.encode()), found, NAMES), found, tmp_path
    )


def test_the_scan_ends_even_if_the_parser_reads_nothing(tmp_path):
    found, pipes = piped(tmp_path)
    with pipes:
        assert len(found.header) == 12 and [part.is_fifo() for part in found.parts] == [True, True]
    assert found.records == records_of(LONG) == 20_000


def test_the_scan_ends_even_if_the_parser_stops_early(tmp_path):
    found, pipes = piped(tmp_path)
    with pipes, open(found.parts[1], "rb") as read, open(found.parts[0], "rb") as other:
        assert read.readline() == b"head," * 12 + b"head\r\n" == other.readline()
    assert found.records == 20_000


def test_each_record_comes_once_through_one_of_the_pipes(tmp_path):
    found, pipes = piped(tmp_path)
    with pipes, open(found.parts[0], "rb") as one:
        first = one.read()  # all of it: nobody reads the other one
        with open(found.parts[1], "rb") as two:
            rest = two.read()
    lines = [line.split(b",")[0] for line in (first + rest).split(b"\r\n") if line[:4] != b"head"]
    assert sorted(map(int, filter(None, lines))) == list(range(2, 20_002))
    assert first.startswith(b"head,") and rest.startswith(b"head,")


def test_the_scans_own_error_is_raised_and_not_its_consequence(tmp_path):
    def stream():
        yield from (b"1,a\n", b"2,b\n")
        raise OSError(errno.EIO, "the disk went away")

    found = csv_scan.Scan(header=["a"])
    with (
        pytest.raises(OSError, match="the disk went away"),
        csv_feed.stream_through_pipes(stream(), found, tmp_path),
        open(found.parts[0], "rb") as read,
    ):
        read.read()
        raise ValueError("half a text is no CSV")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_reader_error_ends_the_scan(tmp_path, error):
    found, pipes = piped(tmp_path)
    with pytest.raises(error), pipes:
        raise error
    assert found.records < 20_000


@pytest.mark.parametrize("part", ["part0.csv", "part1.csv"])
@pytest.mark.parametrize("name", ["os.mkfifo", "os.open", "builtins.open"])
def test_without_enough_pipes_the_text_goes_through_a_file(tmp_path, monkeypatch, name, part):
    module, attribute = name.split(".")
    real = getattr(sys.modules[module], attribute)

    def fails(path, *more, **options):
        if str(path).endswith(part):
            raise OSError(errno.EMFILE, "too many open files")
        return real(path, *more, **options)

    before = sorted(Path("/dev/fd").iterdir())
    found, pipes = piped(tmp_path)
    monkeypatch.setattr(name, fails)
    with pipes:
        assert [one.name for one in found.parts] == ["whole.csv"]
    assert found.records == 20_000
    assert sorted(Path("/dev/fd").iterdir()) == before


@pytest.mark.parametrize("broken", [(0,), (1,), (0, 1)])
def test_an_unwritable_pipe_is_an_error_and_blocks_nobody(pipeline, monkeypatch, broken):
    """DuckDB reads both: where the writer fails, before or after it opened them, it must end."""

    class Fails:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, text):
            raise OSError(errno.EIO, "injected")

    real = csv_feed.open_pipe

    def pipe(path):
        return Fails(real(path)) if int(path.stem[-1]) in broken else real(path)

    with monkeypatch.context() as patch:
        patch.setattr(csv_feed, "open_pipe", pipe)
        done = pipeline.raw(LONG, DUCKDB_THREADS="2")
    assert (done.returncode, "injected" in done.stderr) == (1, True), done
    assert pipeline.batches() == []
    assert pipeline.raw(LONG).returncode == 0


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("pipes", [True, False])
def test_the_snapshot_is_the_same_by_pipes_and_by_a_file(pipeline, monkeypatch, threads, pipes):
    if not pipes:

        def none(path):
            raise PermissionError(errno.EPERM, "no named pipes here")

        monkeypatch.setattr(os, "mkfifo", none)
    done = pipeline.raw(LONG, DUCKDB_THREADS=threads)
    assert done.returncode == 0, done.stderr
    (batch,) = pipeline.batches()
    assert (batch["records"], batch["raw_rows"], batch["rejected"]) == (20_000, 20_000, 0)
    lines = pipeline.snapshot(batch, "source_line, show_id, length(description)")
    assert lines == [(number + 2, f"s{number}", 900) for number in range(20_000)]


@pytest.mark.slow
def test_a_record_that_does_not_fit_is_found_after_many_that_do(pipeline):
    done = pipeline.raw(LONG + "odd,one\r\n" + LONG.split("\r\n")[1] + "\r\n")
    assert done.returncode == 0, done.stderr
    (batch,) = pipeline.batches()
    assert (batch["records"], batch["raw_rows"], batch["rejected"]) == (20_002, 20_001, 1)


def test_an_open_quote_does_not_swallow_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_scan, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(csv_scan, "MAX_LINE_BYTES", 10_000)
    found, text = csv_scan.Scan(), catalogue(*(title(number) for number in range(2_000)))
    open_quote = text.replace("s1,", 's1,"', 1) + 's9,"\r\n'
    pieces = list(csv_scan.scan_csv(io.BytesIO(open_quote.encode()), found, NAMES))
    assert len(open_quote) > 100_000 > 5 * max(map(len, pieces))
    assert not found.is_strict_csv


@pytest.mark.parametrize("dated", ["now", "as before"])
def test_a_file_that_changes_while_it_is_read_is_refused(pipeline, monkeypatch, dated):
    assert pipeline.raw(catalogue(title(1))).returncode == 0
    before = pipeline.digests()
    path = Path(pipeline.put(catalogue(title(1), title(2))))
    times = path.stat()
    changed = catalogue(title(1), title(3)).encode()
    assert len(changed) == times.st_size
    real = csv_scan.scan_csv

    def late(*arguments):
        path.write_bytes(changed)  # after its digest was taken
        if dated == "as before":
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return real(*arguments)

    monkeypatch.setattr(snapshot, "scan_csv", late)
    done = pipeline.step(RAW, NETFLIX_CSV=str(path))
    assert (done.returncode, "is still being written" in done.stderr) == (20, True), done
    assert pipeline.digests() == before
    assert not list((pipeline.root / "data/raw/snapshots").glob(".*"))
