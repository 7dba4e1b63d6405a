"""A zoo of delivered files, each with its verdict: what is landed, or why it is refused.

Each file comes after a sound snapshot was loaded, or as the first one ever where `first` says so.
After each refusal no file in data/ and no table differs; of an accepted one every value and line
number is compared.
"""

import csv
import gzip
import hashlib
import io
import itertools
import os
import random
import re
import threading
import unicodedata
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from conftest import COLUMNS, PROJECT, Pipeline, catalogue, title

import contract
from errors import Refused
from ingest import csv_repair, csv_scan
from ingest.source_file import SizeLimitedReader

ROWS = [
    title(1),
    title(2, title='"Quoted", it says', cast=""),
    title(3, description="Over\r\nthree\r\nlines, and on."),
    title(4, title="Bodil Jørgensen — 愛 🎬"),
    title(5, country=", South Korea"),
]
LINES = (2, 3, 4, 7, 8)
GOOD = catalogue(*ROWS)
ASCII = GOOD.replace("Bodil Jørgensen — 愛 🎬", "Bodil Jorgensen")
HEADER = GOOD.split("\r\n")[0]
LINE = "s9,Movie,Title 9,,,,,2020,,,,\r\n"
SPARE = dict.fromkeys(COLUMNS, "") | {
    "show_id": "s9",
    "type": "Movie",
    "title": "Title 9",
    "release_year": "2020",
}
MISFIT = "s9,Movie,Title 9\r\n"


@dataclass
class File:
    """What is delivered, and the verdict."""

    content: bytes | str
    name: str = "catalogue.csv"
    refused: str = ""  # a part of the message; "" means accepted
    said: str = ""  # what an accepted one's warning or note says
    records: int = 5
    rejected: int = 0
    repaired: int = 0
    encoding: str = "utf-8"
    lines: tuple[int, ...] = LINES  # source_line of each raw row
    rows: list[dict[str, str]] = field(default_factory=lambda: ROWS)
    first: bool = False  # delivered as the first file ever
    settings: dict[str, str] = field(default_factory=dict)


def packed(**members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv"), content)
    return out.getvalue()


def replaced(number: int, **values: str) -> list[dict[str, str]]:
    """ROWS, one of them with other values."""
    return [row if at != number else row | values for at, row in enumerate(ROWS, 1)]


def inserted(text: str, after: str = "s1,", into: str = GOOD) -> str:
    """GOOD, with a line put in behind the one that starts with `after`."""
    end = into.index("\r\n", into.index("\r\n" + after) + 2) + 2
    return into[:end] + text + into[end:]


HTML = "<!DOCTYPE html><html><head><title>503 Service Unavailable</title></head></html>"
LONG = "All work and no play.\r\n" * 220_000  # 5 MB
WIDE = [row | {f"extra {at}": "x" for at in range(988)} for row in ROWS]
ODD_NAMES = ['a "quoted" name', "semi;colon", "two\r\nlines", "source_line", "Batch ID", "'; --"]
ODD = [row | {name: f"{name}!" for name in ODD_NAMES} for row in ROWS]
SHORT = [{name: row[name] for name in COLUMNS if name != "director"} for row in ROWS]

MANY_MISFITS = GOOD + MISFIT * 21 + LINE

REFUSED = {
    "empty": File("", refused="the file is empty"),
    "blank lines only": File("\r\n  \r\n\r\n", refused="it has only blank lines"),
    "a byte order mark only": File(b"\xef\xbb\xbf", refused="the file is empty"),
    "header only": File(HEADER + "\r\n", refused="has a header and no record"),
    "header only, cut": File(HEADER, refused="has a header and no record"),
    "header cut": File(HEADER[:20], refused="has a header and no record"),
    "header and blank lines": File(HEADER + "\r\n\r\n \r\n", refused="a header and no record"),
    "cut, no line end": File(GOOD[:-20], refused="the file looks cut: its last line has no line"),
    "cut before the last line end": File(GOOD[:-2], refused="make run-all ACCEPT="),
    "cut at a line feed inside quotes": File(
        GOOD[: GOOD.index("three\r\n") + 7], refused="the file looks cut: its last record"
    ),
    "open quote in the last record": File(
        catalogue(title(1), title(2)) + 's3,Movie,"Open,,,,,2020,,,,\r\n',
        refused="the file looks cut: its last record",
    ),
    "Ctrl-Z at the end": File(GOOD + "\x1a", refused="the file looks cut"),
    "HTML 503 page": File(HTML, refused="is an HTML or XML page ('503 Service Unavailable')"),
    "HTML page behind blanks": File("\r\n \n<html>\n" * 9, refused="is an HTML or XML page"),
    "XML": File('<?xml version="1.0"?><Error/>', refused="is an HTML or XML page"),
    "HTML page, gzipped": File(
        gzip.compress(HTML.encode()), "page.csv.gz", refused="no recognisable header"
    ),
    "JSON": File('{"error": "quota exceeded"}\n', refused="no recognisable header"),
    "a title above the header": File("Export of 2021\r\n" + GOOD, refused="no recognisable"),
    "data without header": File(GOOD[len(HEADER) + 2 :], refused="the file starts with 's1,Movie"),
    "one known column": File("title,x,y\r\na,b,c\r\n", refused="expected column names like"),
    "XLSX bytes": File(
        packed(**{"[Content_Types].xml": "<Types/>", "xl__workbook.xml": "<workbook/>"}),
        refused='a spreadsheet\'s workbook, expected CSV text. Save it as "CSV UTF-8" in the',
    ),
    "XLSX named .zip": File(
        packed(**{"[Content_Types].xml": "<Types/>"}), "a.zip", refused='Save it as "CSV UTF-8"'
    ),
    "XLSX, cut": File(
        packed(**{"[Content_Types].xml": "<Types/>"})[:60], "a.xlsx", refused='Save it as "CSV'
    ),
    "ODS": File(packed(mimetype="", **{"content.xml": ""}), refused='Save it as "CSV UTF-8"'),
    "ZIP bytes named .csv": File(packed(a_csv=GOOD), refused="Rename it to end in .zip"),
    "gzip bytes named .csv": File(
        gzip.compress(GOOD.encode()), refused="is gzip-compressed, expected CSV text. Rename it"
    ),
    "Parquet bytes named .csv": File(b"PAR1\x15\x04\x15", refused="is a Parquet file, expected"),
    "PDF": File(b"%PDF-1.7\n", refused="is a PDF, expected CSV text"),
    "old Excel": File(b"\xd0\xcf\x11\xe0\xa1\xb1", refused="is a spreadsheet's workbook"),
    "bzip2": File(b"BZh91AY&SY", refused="is bzip2-compressed"),
    "zstd": File(b"\x28\xb5\x2f\xfd\x04", refused="is zstd-compressed"),
    "random bytes": File(random.Random(1).randbytes(5000), refused="no recognisable header"),
    "PNG": File(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", refused="it is full of NULs"),
    "text named .gz": File(GOOD, "catalogue.csv.gz", refused="is not a gzip file, though its"),
    "text named .zip": File(GOOD, "catalogue.zip", refused="is not a ZIP archive with one CSV"),
    "cut gzip": File(
        gzip.compress(GOOD.encode())[:-30], "c.csv.gz", refused="is damaged or was cut"
    ),
    "gzip with a flipped byte": File(
        gzip.compress(GOOD.encode())[:-6] + b"......", "c.csv.gz", refused="is damaged or was cut"
    ),
    "UTF-16 LE without mark": File(GOOD.encode("utf-16-le"), refused="it is full of NULs"),
    "UTF-16 BE without mark": File(GOOD.encode("utf-16-be"), refused="it is full of NULs"),
    "UTF-16, an odd byte cut": File(
        GOOD.encode("utf-16")[:-1], refused="ends in the middle of a character: it was cut"
    ),
    "UTF-16, half a pair": File(
        b"\xff\xfe" + "s1,🎬".encode("utf-16-le")[:-2] + b"\n\0", refused="starts as UTF-16 but"
    ),
    "UTF-32": File(GOOD.encode("utf-32"), refused="it is full of NULs"),
    "UTF-32 BE": File(b"\0\0\xfe\xff" + GOOD.encode("utf-32-be"), refused="full of NULs"),
    "padded with NULs": File(GOOD.encode() + bytes(9), refused="the file looks cut"),
    "duplicate header names": File(
        GOOD.replace("description\r\n", "title\r\n"), refused="the header names 'title' twice"
    ),
    "duplicate but for case and blanks": File(
        GOOD.replace("description\r\n", " Show ID\r\n"), refused="names 'Show ID' twice"
    ),
    "10,000 columns": File(
        HEADER + ",x" * 9_988 + "\r\n", refused="names 10,000 columns, allowed are 1,000"
    ),
    "a NUL in the header": File(
        GOOD.replace("director", "dir\0ector"), refused="the header has a NUL byte"
    ),
    "an open quote in the header": File(
        GOOD.replace("description\r\n", '"description\r\n'), refused="no recognisable header"
    ),
    "no record fits": File(HEADER + "\r\n" + MISFIT * 3, refused="3 of 3 records (100.0 %) do not"),
    "too many records do not fit": File(
        MANY_MISFITS, refused="21 of 27 records (77.8 %) do not fit the header"
    ),
    "larger than MAX_FILE_SIZE": File(
        GOOD, refused="larger than MAX_FILE_SIZE (500 bytes)", settings={"MAX_FILE_SIZE": "500"}
    ),
    "gzip larger than MAX_FILE_SIZE": File(
        gzip.compress(catalogue(ROWS[0], title(2, description="0" * 99_999)).encode()),
        "c.csv.gz",
        refused="larger than MAX_FILE_SIZE",
        settings={"MAX_FILE_SIZE": "50KB"},
    ),
    "a snapshot time that is taken": File(
        GOOD,
        refused="there is another snapshot of 2021-01-01 00:00:00 UTC already",
        settings={"SNAPSHOT_AT": "2021-01-01"},
    ),
}

ACCEPTED = {
    "CRLF": File(GOOD),
    "LF": File(
        GOOD.replace("\r\n", "\n"), rows=replaced(3, description="Over\nthree\nlines, and on.")
    ),
    "CR": File(
        GOOD.replace("\r\n", "\r"), rows=replaced(3, description="Over\rthree\rlines, and on.")
    ),
    "mixed line ends": File(GOOD.replace("in 1.\r\n", "in 1.\n")),
    "mostly LF, one CRLF": File(
        GOOD.replace("\r\n", "\n").replace("in 1.\n", "in 1.\r\n"),
        rows=replaced(3, description="Over\nthree\nlines, and on."),
    ),
    "mixed line ends with CR": File(
        GOOD.replace("in 1.\r\n", "in 1.\n").replace("in 4.\r\n", "in 4.\r")
    ),
    "no line end, first file": File(GOOD[:-2], first=True, said="the last line of the file has no"),
    "open quote in the last record, first file": File(
        GOOD + 's3,Movie,"Open,,,,,2020,,,,\r\n',
        first=True,
        records=6,
        rejected=1,
        said="the last record of the file does not fit the header",
    ),
    "UTF-8 with BOM": File(b"\xef\xbb\xbf" + GOOD.encode(), encoding="utf-8 with BOM"),
    "UTF-16 LE": File(b"\xff\xfe" + GOOD.encode("utf-16-le"), encoding="utf-16"),
    "UTF-16 BE": File(b"\xfe\xff" + GOOD.encode("utf-16-be"), encoding="utf-16"),
    "Windows-1252 in one line": File(
        GOOD.encode() + b"s6,Movie,Caf\xe9 \x80,,,,,2020,,,,\r\n",
        records=6,
        repaired=1,
        encoding="utf-8 with windows-1252",
        lines=(*LINES, 9),
        rows=[*ROWS, SPARE | {"show_id": "s6", "title": "Café €"}],
        said="1 line(s) had Windows-1252 bytes, read as such: 9",
    ),
    "Latin-1 all through": File(
        (HEADER + ASCII.removeprefix(HEADER).replace("o", "ø")).encode("latin-1"),
        repaired=6,
        encoding="utf-8 with windows-1252",
        rows=[
            {name: value.replace("o", "ø") for name, value in row.items()}
            for row in replaced(4, title="Bodil Jorgensen")
        ],
    ),
    "semicolons": File(catalogue(*ROWS, delimiter=";")),
    "tabs": File(catalogue(*ROWS, delimiter="\t")),
    "pipes": File(catalogue(*ROWS, delimiter="|")),
    "gzip": File(gzip.compress(GOOD.encode()), "catalogue.csv.gz"),
    "gzip in two members": File(
        gzip.compress(GOOD[:300].encode()) + gzip.compress(GOOD[300:].encode()), "c.csv.gz"
    ),
    "zip as Kaggle delivers": File(packed(netflix_titles_csv=GOOD), "archive.zip"),
    "quotes inside an unquoted field": File(
        GOOD.replace("Title 1", 'The "One" and 6" tall'),
        rows=replaced(1, title='The "One" and 6" tall'),
    ),
    "every field quoted": File(catalogue(*ROWS, quoting=csv.QUOTE_ALL)),
    "an open quote in the middle": File(
        inserted('s9,Movie,"Open,,,,,2020,,,,\r\n'),
        records=6,
        rejected=1,
        lines=(2, 4, 5, 8, 9),
        said="1 record(s) do not fit the header",
    ),
    "two open quotes": File(
        inserted('s9,Movie,"Open,,,,,2020,,,,\r\n' * 2),
        records=7,
        rejected=2,
        lines=(2, 5, 6, 9, 10),
    ),
    "text behind a closing quote": File(
        inserted('s9,Movie,"Open"ed,,,,,2020,,,,\r\n'), records=6, rejected=1, lines=(2, 4, 5, 8, 9)
    ),
    "NUL bytes": File(
        inserted("s9,Movie,Nu\0l,,,,,2020,,,,\r\n"), records=6, rejected=1, lines=(2, 4, 5, 8, 9)
    ),
    "too few fields": File(inserted(MISFIT), records=6, rejected=1, lines=(2, 4, 5, 8, 9)),
    "one empty field too many": File(
        inserted(LINE.replace("\r", ",\r")), records=6, rejected=1, lines=(2, 4, 5, 8, 9)
    ),
    "too many fields": File(
        inserted(LINE.replace("\r", ",x\r") + LINE.replace("\r", ",,\r")),
        records=7,
        rejected=2,
        lines=(2, 5, 6, 9, 10),
    ),
    "20 misfits, as many as allowed": File(
        inserted(MISFIT * 20), records=25, rejected=20, lines=(2, 23, 24, 27, 28)
    ),
    "blank lines between": File(inserted("\r\n  \r\n"), lines=(2, 5, 6, 9, 10)),
    "blank lines at the end": File(GOOD + "\r\n\r\n"),
    "a leading blank line": File("\r\n" + GOOD, lines=(3, 4, 5, 8, 9)),
    "5 MB in one field": File(
        catalogue(*replaced(2, description=LONG)),
        rows=replaced(2, description=LONG),
        lines=(2, 3, 220_004, 220_007, 220_008),
    ),
    "1,000 columns": File(catalogue(*WIDE), rows=WIDE),
    "column names with quotes, semicolons, line feeds, as lineage": File(
        catalogue(*ODD), rows=ODD, lines=(3, 5, 7, 11, 13)
    ),
    "names in other case, blanks and order": File(
        catalogue(*[dict(reversed(row.items())) for row in ROWS]).replace("show_id", " Show  ID ")
    ),
    "an optional column missing": File(catalogue(*SHORT), rows=SHORT),
    "unnamed empty columns": File(
        catalogue(*[row | {"x": "", "y": ""} for row in ROWS], header=HEADER + ",,")
    ),
    "ANSI escapes and other controls": File(
        catalogue(*replaced(1, title="\x1b[31mRed\x07\x1b]0;x\x07")),
        rows=replaced(1, title="\x1b[31mRed\x07\x1b]0;x\x07"),
    ),
    "line separators of Unicode": File(
        catalogue(*replaced(1, title="a\u2028b\x85c\x0bd\x1ce")),
        rows=replaced(1, title="a\u2028b\x85c\x0bd\x1ce"),
    ),
    "a name with glob characters": File(GOOD, "c[a-z]?*{1,2}.csv"),
    "a name with quotes": File(GOOD, "it's \"the\" ; file.csv"),
    "a name with a leading dash": File(GOOD, "-rf.csv"),
    "a name with a line feed and an escape": File(GOOD, "two\nlines\x1b[31m.csv"),
    "a name that is no UTF-8": File(GOOD, os.fsdecode(b"caf\xe9.csv")),
    "a name without ending": File(GOOD, "catalogue"),
}  # fmt: skip


@pytest.fixture(scope="session")
def loaded_state(loaded_once) -> tuple[dict, dict]:
    return loaded_once.digests(), loaded_once.tables()


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_with_one_sentence_and_changes_nothing(
    pipeline, loaded_once, loaded_state, name
):
    file = REFUSED[name]
    pipeline.copy_of(loaded_once)
    if "SNAPSHOT_AT" in file.settings:
        assert pipeline.raw(catalogue(*ROWS[:3]), **file.settings).returncode == 0
        loaded_state = None
    source = pipeline.put(file.content, file.name)
    result = pipeline.refused(source, before=loaded_state, **file.settings)
    assert file.refused in result.stderr


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_file_is_accepted_with_every_value_and_line_right(pipeline, loaded_once, name):
    file = ACCEPTED[name]
    if not file.first:
        pipeline.copy_of(loaded_once)
    result = pipeline.raw(file.content, file.name)
    assert result.returncode == 0, result.stderr
    assert bool(result.stderr) == bool(file.rejected or "no line end" in name)
    assert file.said in result.stdout + result.stderr
    batch = pipeline.batches()[-1]
    assert (
        batch["records"],
        batch["raw_rows"],
        batch["rejected"],
        batch["repaired_lines"],
        batch["encoding"],
    ) == (file.records, len(file.rows), file.rejected, file.repaired, file.encoding)
    assert f"{file.records} records in " in result.stdout
    assert f"= {len(file.rows)} raw + {file.rejected} rejected" in result.stdout

    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in batch["columns"])
    found = pipeline.snapshot(batch, f"source_line, {columns}")
    assert tuple(row[0] for row in found) == file.lines
    names = [contract.normalise(name) for name in batch["header"]]
    expected = [
        {contract.normalise(name): value or None for name, value in row.items()}
        for row in file.rows
    ]
    for (_, *values), row in zip(found, expected, strict=True):
        by_name = dict(zip(names, values, strict=True))
        assert {name: value for name, value in by_name.items() if name} == {
            name: value for name, value in row.items() if name not in ("x", "y")
        }
    for line, raw in pipeline.snapshot(batch, "source_line, raw_text", "rejects"):
        assert file.content.split("\n")[line - 1].rstrip("\r") == raw
    pipeline.assert_harmless_on_a_terminal(result)


def test_the_zoo_is_as_large_as_promised():
    assert len(REFUSED) + len(ACCEPTED) >= 45


def test_bad_places_are_refused(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    folder = pipeline.root / "folder"
    folder.mkdir()
    os.mkfifo(pipeline.root / "pipe.csv")
    for source, message in (
        (folder, "is a folder, expected a file"),
        (pipeline.root / "nowhere.csv", "no input file at "),
        (pipeline.root / "pipe.csv", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
        ("ftp://example.org/c.csv", "ftp:// URL, which is not supported"),
    ):
        assert message in pipeline.refused(str(source)).stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(pipeline, loaded_once):
    path = pipeline.copy_of(loaded_once).put(GOOD)
    Path(path).chmod(0)
    assert "cannot be read (Permission denied)" in pipeline.refused(path).stderr


def test_a_line_longer_than_any_catalogue_has_is_refused(pipeline, loaded_once, monkeypatch):
    monkeypatch.setattr(csv_scan, "MAX_LINE_BYTES", 3 << 20)
    pipeline.copy_of(loaded_once)
    path = pipeline.put(catalogue(title(1, description="x" * (5 << 20))))
    assert "has a line of over 3 MiB: it is no CSV" in pipeline.refused(path).stderr


def test_a_header_longer_than_one_block_is_read_whole(pipeline, monkeypatch):
    monkeypatch.setattr(csv_scan, "BLOCK_BYTES", 16)
    assert pipeline.raw(GOOD).returncode == 0
    assert pipeline.batches()[-1]["raw_rows"] == 5


def test_accept_passes_exactly_that_cut_file(pipeline, loaded_once):
    cut = pipeline.copy_of(loaded_once).put(GOOD[:-2])
    digest = hashlib.sha256(GOOD[:-2].encode()).hexdigest()
    assert f"make run-all ACCEPT={digest[:12]}" in pipeline.refused(cut).stderr
    assert "looks cut" in pipeline.refused(cut, ACCEPT="0" * 12).stderr
    result = pipeline.step("02_create_raw_layer", NETFLIX_CSV=cut, ACCEPT=digest[:12])
    assert (result.returncode, "has no line end; it may" in result.stderr) == (0, True)
    assert pipeline.batches()[-1]["raw_rows"] == 5
    # A publisher whose files end like this is not stopped again.
    assert pipeline.raw(GOOD[: GOOD.index("\r\ns5")]).returncode == 0


def test_a_last_record_that_never_fits_stops_once_only(pipeline, loaded_once):
    footer = pipeline.copy_of(loaded_once).put(GOOD + "5 titles\r\n")
    message = pipeline.refused(footer).stderr
    assert "its last record does not fit the header" in message
    accept = message.split("ACCEPT=")[1].split()[0]
    result = pipeline.step("02_create_raw_layer", NETFLIX_CSV=footer, ACCEPT=accept)
    assert result.returncode == 0
    result = pipeline.raw(GOOD + LINE + "6 titles\r\n")
    assert (result.returncode, pipeline.batches()[-1]["rejected"]) == (0, 1)


def test_accept_passes_too_many_misfits_and_keeps_them_all(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    message = pipeline.refused(pipeline.put(MANY_MISFITS)).stderr
    assert "\n  line 9: 3 fields, the header has 12\n  line 10: " in message
    accept = message.split("ACCEPT=")[1].split()[0]
    assert pipeline.raw(MANY_MISFITS, ACCEPT=accept).returncode == 0
    batch = pipeline.batches()[-1]
    assert (batch["records"], batch["raw_rows"], batch["rejected"]) == (27, 6, 21)
    assert pipeline.snapshot(batch, "source_line, reason, raw_text", "rejects") == [
        (line, "3 fields, the header has 12", MISFIT.strip()) for line in range(9, 30)
    ]


def test_misfits_stop_by_count_and_share_together(pipeline):
    text = GOOD + MISFIT * 3 + LINE
    both = {"MAX_REJECTED_ROWS": "2", "MAX_REJECTED_PCT": "33"}
    assert pipeline.raw(text, **both).returncode == 20
    assert pipeline.batches() == []
    assert pipeline.raw(text, **both | {"MAX_REJECTED_ROWS": "3"}).returncode == 0
    assert pipeline.raw(text + LINE, **both | {"MAX_REJECTED_PCT": "40"}).returncode == 0


def test_a_file_still_being_written_is_refused(pipeline, loaded_once):
    path = pipeline.copy_of(loaded_once).put(GOOD)
    os.utime(path)
    stop = threading.Event()

    def append() -> None:
        with open(path, "a") as file:
            while not stop.wait(0.05):
                file.write(LINE)
                file.flush()

    writer = threading.Thread(target=append)
    writer.start()
    try:
        assert "is still being written" in pipeline.refused(path).stderr
    finally:
        stop.set()
        writer.join()


def test_a_file_that_grows_while_it_is_read_is_refused(pipeline, loaded_once, monkeypatch):
    path = pipeline.copy_of(loaded_once).put(GOOD)
    read = SizeLimitedReader.read

    def grow(self, count):
        block = read(self, count)
        if not block:
            with open(path, "a") as file:
                file.write(LINE)
        return block

    monkeypatch.setattr(SizeLimitedReader, "read", grow)
    assert "is still being written" in pipeline.refused(path).stderr


def test_a_fresh_file_that_no_longer_grows_is_taken(pipeline):
    path = pipeline.put(GOOD)
    os.utime(path)
    assert pipeline.step("02_create_raw_layer", NETFLIX_CSV=path).returncode == 0


def test_a_digest_next_to_the_file_is_checked(pipeline, loaded_once):
    path = pipeline.copy_of(loaded_once).put(GOOD)
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    pipeline.put(f"{digest[::-1]}  catalogue.csv\n", "catalogue.csv.sha256")
    assert f"promises {digest[::-1][:12]}" in pipeline.refused(path).stderr
    pipeline.put("see the website\n", "catalogue.csv.sha256")
    assert "catalogue.csv.sha256 holds no SHA-256" in pipeline.refused(path).stderr
    pipeline.put(f"{digest.upper()} *catalogue.csv\n", "catalogue.csv.sha256")
    assert pipeline.step("02_create_raw_layer", NETFLIX_CSV=path).returncode == 0


def test_a_file_named_like_a_glob_is_the_only_one_read(pipeline):
    pipeline.put(GOOD.replace("Title", "Other"), "ab.csv")
    assert pipeline.raw(GOOD, "*.csv").returncode == 0
    assert pipeline.snapshot(pipeline.batches()[0], "title")[0] == ("Title 1",)
    (pipeline.root / "*.csv").unlink()
    result = pipeline.step("02_create_raw_layer", NETFLIX_CSV=str(pipeline.root / "*.csv"))
    assert (result.returncode, "no input file at" in result.stderr) == (20, True)


def record_lines(text: str) -> list[int]:
    """The line on which each record of a well-formed CSV starts, by walking its characters."""
    starts, line, quoted, fresh = [], 1, False, True
    for at, character in enumerate(text):
        if fresh and character not in "\r\n":
            starts.append(line)
            fresh = False
        if character == '"':
            quoted = not quoted
        if character == "\n" or (character == "\r" and text[at + 1 : at + 2] != "\n"):
            line += 1
            fresh = fresh or not quoted
    return starts[1:]


@pytest.mark.parametrize("careful", [False, True], ids=["fast", "careful"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_source_line_is_right_over_many_blocks_and_lines(pipeline, monkeypatch, careful, line_end):
    draw = random.Random(7)
    records = [
        title(
            number,
            title=draw.choice(["One", "Two\nlines", "\n", "A\n\n\nB", 'Q"uo\nte"', "è,\nß"]),
            description=draw.choice(["One", "Two\r\nlines", "\n\n", "x" * 300]),
        )
        for number in range(400)
    ]
    text = catalogue(*records, line_end=line_end)
    expected = record_lines(text)
    monkeypatch.setattr(csv_scan, "BLOCK_BYTES", 1000)
    if careful:
        text += (MISFIT + LINE).replace("\r\n", line_end)
    assert pipeline.raw(text).returncode == 0
    batch = pipeline.batches()[0]
    found = pipeline.snapshot(batch, "source_line, title, description")[: len(records)]
    assert [row[0] for row in found] == expected
    assert [row[1:] for row in found] == [(row["title"], row["description"]) for row in records]
    assert batch["rejected"] == int(careful)


def test_the_slow_parser_reads_the_same_values_as_the_fast_one(pipeline):
    texts = ["", " ", ",", '"', '""', "a\nb", "\r\n", "NULL", "\\", '\\"', "#", "'", "é", "1e5"]
    records = [
        title(number, title=first + second, director=second)
        for number, (first, second) in enumerate(itertools.product(texts, repeat=2))
    ]
    text = catalogue(*records)
    assert pipeline.raw(text).returncode == 0
    assert pipeline.raw(text + MISFIT + LINE).returncode == 0
    fast, careful = (
        pipeline.snapshot(batch, "* EXCLUDE (ingestion_ts, batch_id)")
        for batch in pipeline.batches()
    )
    assert careful[:-1] == fast
    assert [(row[2] or "", row[3] or "") for row in fast] == [
        (row["title"], row["director"]) for row in records
    ]


def test_a_zoo_file_gives_the_same_result_in_a_process(pipeline):
    pipeline.put(HTML)
    source = str(pipeline.root / "catalogue.csv")
    result = pipeline.process("02_create_raw_layer", NETFLIX_CSV=source)
    assert (result.returncode, result.stdout) == (20, "")
    assert result.stderr == (
        "raw       stopped: catalogue.csv is an HTML or XML page ('503 Service Unavailable'), "
        "not a CSV file\n          Nothing was changed.\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (HEADER, "header and no record"),  # cut right behind the last column name
        (HEADER + "\r\n\r\n \r\n", "header and no record"),
        (bytes(5000), "it is full of NULs"),
        (HTML, "HTML or XML page"),
        (HEADER + "\r\n" + MISFIT * 3, "do"),
        ("\x1b[31mtitel\x07,x\r\na,b\r\n", r"'\x1b[31mtitel\x07,x'"),
    ],
    ids=["empty", "header cut", "header, blanks", "NULs", "HTML", "misfits", "escapes in header"],
)
def test_a_bad_first_file_leaves_nothing_behind(pipeline, content, message):
    result = pipeline.raw(content)
    assert (result.returncode, result.stdout) == (20, "")
    assert message in result.stderr
    assert pipeline.digests() == {}
    assert [name for name, rows in pipeline.tables().items() if rows] == []
    pipeline.assert_harmless_on_a_terminal(result)


def test_a_file_without_a_fitting_record_is_refused_even_with_accept(pipeline, loaded_once):
    text = HEADER + "\r\n" + MISFIT * 3
    digest = hashlib.sha256(text.encode()).hexdigest()
    pipeline.copy_of(loaded_once)
    files, tables = pipeline.digests(), pipeline.tables()
    result = pipeline.raw(text, ACCEPT=digest[:12])
    assert (result.returncode, result.stdout) == (20, "")
    assert "Nothing was changed" in result.stderr
    assert (pipeline.digests(), pipeline.tables()) == (files, tables)


def test_the_rejects_hold_line_reason_and_text_of_each_misfit(pipeline, loaded_once):
    misfits = [
        ("s90,Movie,Short", "3 fields, the header has 12"),
        ("s91" + "," * 12 + "x", "13 fields, the header has 12"),
        ('s92,Movie,"Open,,,,,2020,,,,', csv_repair.OPEN_QUOTE),
        ('s93,Movie,"Open"ed,,,,,2020,,,,', "broken quotes: ',' expected after '\"'"),
        ("s94,Movie,Nu\0l,,,,,2020,,,,", "a NUL byte"),
        ("\x1b[31m=cmd|' /C calc'!A0", "1 fields, the header has 12"),
    ]
    text = inserted("".join(raw + "\r\n" for raw, _ in misfits))
    result = pipeline.copy_of(loaded_once).raw(text)
    assert result.returncode == 0, result.stderr
    batch = pipeline.batches()[-1]
    assert pipeline.snapshot(batch, "source_line, reason, raw_text", "rejects") == [
        (line, reason, raw) for line, (raw, reason) in enumerate(misfits, 3)
    ]
    assert pipeline.snapshot(batch, "source_line, title") == [
        (line, row["title"])
        for line, row in zip((2, 9, 10, 13, 14), ROWS, strict=True)  # six lines further down
    ]
    pipeline.assert_harmless_on_a_terminal(result)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_small_blocks_give_the_same_snapshot_as_large_ones(tmp_path, monkeypatch, delimiter):
    records = [
        title(number, title=f'T"{number}\r\n', description="ü,;\t|\n" * (number % 7))
        for number in range(120)
    ]
    text = catalogue(*records, delimiter=delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    ends = [reader.line_num for _ in reader]
    snapshots = []
    for block in (1 << 20, 700, 64):
        monkeypatch.setattr(csv_scan, "BLOCK_BYTES", block)
        landing = Pipeline(tmp_path / str(block))
        landing.root.mkdir()
        assert landing.raw(text).returncode == 0
        snapshots.append(
            landing.snapshot(landing.batches()[0], "* EXCLUDE (ingestion_ts, batch_id)")
        )
    assert snapshots[1] == snapshots[0] and snapshots[2] == snapshots[0]
    lines = [(end + 1,) for end in ends[:-1]]  # a record starts behind the end of the one before
    assert landing.snapshot(landing.batches()[0], "source_line") == lines


def guarded_code_points() -> list[int]:
    """The characters that sql/macros.sql lets pass without a look, read from the file itself."""
    sql = (PROJECT / "sql" / "macros.sql").read_text(encoding="utf-8")
    pattern = sql[sql.index("[^") : sql.index("]'\n    );")]
    one = r"\\x(?:\{([0-9A-F]+)\}|([0-9A-F]{2}))"
    bounds = [int(braced or plain, 16) for braced, plain in re.findall(one, pattern)]
    ranges = list(zip(bounds[::2], bounds[1::2], strict=True))
    assert len(ranges) >= 10 and pattern.count("-\\x") == len(ranges)
    return [code for first, last in ranges for code in range(first, last + 1)]


def test_the_characters_that_pass_without_cleaning_need_none():
    seconds = set()  # what NFC may join to the character before it
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    seconds |= {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}  # Hangul: composed by rule
    wrong = [
        f"U+{code:04X}"
        for code in guarded_code_points()
        if unicodedata.normalize("NFC", chr(code)) != chr(code)
        or unicodedata.combining(chr(code))
        or code in seconds
        or (code != 0x20 and unicodedata.category(chr(code)) in ("Zs", "Zl", "Zp", "Cc"))
        or code in (0x200B, 0xFEFF)
    ]
    assert wrong == []


@pytest.mark.slow
def test_skipping_clean_text_changes_no_result():
    con = duckdb.connect()
    con.execute((PROJECT / "sql" / "macros.sql").read_text(encoding="utf-8"))
    checked, wrong = con.execute(
        r"""
        WITH texts AS (
            SELECT unnest([chr(code), 'e' || chr(code), 'e' || chr(code) || 'a']) AS text
            FROM (SELECT CAST(unnest(range(1, 1114112)) AS INTEGER) AS code)
            WHERE code NOT BETWEEN 55296 AND 57343
        )
        SELECT count(*), count(*) FILTER (
            clean_text(text) IS DISTINCT FROM nullif(trim(regexp_replace(
                nfc_normalize(text), '[\s\p{Z}\p{Cc}\x{200B}\x{FEFF}]+', ' ', 'g'
            )), '')
        )
        FROM texts
        WHERE NOT may_need_cleaning(text)
        """
    ).fetchone()
    con.close()
    assert wrong == 0
    assert checked == 3 * len(guarded_code_points()) - 2  # ' ' and 'e ' do need cleaning


def scanned(content: bytes) -> tuple:
    """All that a scan found, and the text for the parser, if any; or what it refused."""
    found = csv_scan.Scan()
    try:
        text = b"".join(csv_scan.scan_csv(io.BytesIO(content), found, set(COLUMNS)))
    except Refused as error:
        return str(error), b""
    return vars(found), text if found.is_strict_csv else b""


def test_small_blocks_find_what_one_large_block_finds(monkeypatch):
    """Every plain file of the zoo, and made-up ones, with quotes and odd bytes in every place."""
    zoo = [*ACCEPTED.values(), *REFUSED.values()]
    texts = [file.content for file in zoo if not file.name.endswith((".gz", ".zip"))]
    odd, draw = (
        ('"', '""', '"a\r\n"', "\n", "\r", "ü", "\0", "\ufeff", ",", LINE, LINE),
        random.Random(1),
    )
    texts += [
        HEADER + "\r\n" + LINE * 3 + "".join(draw.choices(odd, k=60)) + LINE * draw.randrange(3)
        for _ in range(60)
    ]
    texts.append(f"{HEADER}\r\n" + f"\ufeff{LINE}" * 20)
    contents = [text.encode() if isinstance(text, str) else text for text in texts]
    contents += [content.replace("ü".encode(), b"\xfc\x81") for content in contents[-30:]]
    texts_found = 0
    for content in contents:
        monkeypatch.setattr(csv_scan, "BLOCK_BYTES", 1 << 20)
        whole = scanned(content)
        monkeypatch.setattr(csv_scan, "BLOCK_BYTES", 300)  # the longest header fits
        found = scanned(content)
        if isinstance(whole[0], str):  # of several reasons another may come first
            assert isinstance(found[0], str), content
            continue
        assert found == whole, content
        texts_found += bool(whole[1])
    assert texts_found > 35
