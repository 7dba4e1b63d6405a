"""01_inspect_data.py reports what is in a file, and changes nothing."""

import csv
import gzip
import importlib
import os
import subprocess
import sys
from pathlib import Path
from unicodedata import category, east_asian_width

import duckdb
import pandas as pd
import pytest
from conftest import PROJECT, Pipeline

from ingest import profile
from runner.files import sha256
from staging.foresee import foresee

STEP = "01_inspect_data"
inspect_data = importlib.import_module(STEP)

HEADER = (
    "show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in"
)
HEADER += ",description"
PLAIN_ROW = "s1,Movie,Title,,,,,2020,PG,90 min,Dramas,Text"


def delivered(pipeline: Pipeline, content: bytes, name: str = "catalogue.csv") -> Path:
    path = pipeline.root / name
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))  # long finished, not "still being written"
    return path


def report(pipeline: Pipeline, content: bytes, name: str = "catalogue.csv", **settings: str) -> str:
    """What the step prints on a file; it must succeed, and write nothing anywhere."""
    path = delivered(pipeline, content, name)
    temporary = pipeline.root / "tmp"
    temporary.mkdir(exist_ok=True)
    result = pipeline.step(STEP, str(path), TMPDIR=str(temporary), **settings)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(entry.name for entry in pipeline.root.rglob("*")) == sorted([path.name, "tmp"])
    return result.stdout


def rows(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (HEADER, *lines)).encode()


def fact(text: str, label: str) -> str:
    return next(line[11:] for line in text.splitlines() if line.startswith(label))


def warned(text: str) -> list[str]:
    *_, found = text.partition("warning")
    return [line.strip() for line in found.splitlines()[1:]]


def test_a_handful_of_rows_gives_the_whole_report(pipeline: Pipeline) -> None:
    content = (
        "show_id,type,title,country,release_year,rating,extra,\r\n"
        's1,Movie,Cañón,"France, Italy",2020,PG,x,\r\n'
        's1,Movie,"two\r\nlines",", Italy",2020,74 min,,\r\n'  # a doubled key, a stray comma
        ",TV Show,寿司の時間, France,2021,,,\r\n"  # no key, a leading blank, wide letters
        "s4,TV Show,CafÃ©,,2021,TV-MA,,"  # garbled before; no line end
    ).encode()
    assert report(pipeline, content, COLUMNS="80").splitlines() == [
        "file       catalogue.csv, 221 bytes of text",
        "sha-256    " + sha256(pipeline.root / "catalogue.csv"),
        "encoding   UTF-8 (likely: 9 multi-byte characters, all valid)",
        "line ends  CRLF 3",
        "delimiter  comma",
        "records    4",
        "columns    8, 1 unnamed and empty",
        "",
        "#  column         filled  distinct  length  examples",
        "1  show_id        75.0 %         2     2-2  s1 | s4",
        "2  type          100.0 %         2     5-7  Movie | TV Show",
        "3  title         100.0 %         4    5-10  Cañón | two\\r\\nlines | 寿司の時間",
        "4  country        75.0 %         3    7-13  France, Italy | , Italy |  France",
        "5  release_year  100.0 %         2     4-4  2020 | 2021",
        "6  rating         75.0 %         3     2-6  PG | 74 min | TV-MA",
        "7  extra          25.0 %         1     1-1  x",
        "",
        "17 warnings",
        "  no line end at the end of the file: it may have been cut",
        "  optional column director not found",
        "  optional column cast not found",
        "  optional column date_added not found",
        "  optional column duration not found",
        "  optional column listed_in not found",
        "  optional column description not found",
        "  1 unknown column: extra",
        "  1 unnamed column without any value",
        "  show_id: 1 record without it, first in line 5",
        "  show_id: 1 duplicate key in 2 records (s1 2 times, from line 2)",
        "  title: 1 value with text that looks like UTF-8 read as Latin-1, first in line 6",
        "  country: 1 value with leading blanks, first in line 5",
        "  country: 1 value with empty list entries, first in line 3",
        "  rating: 1 value with what looks like a duration, first in line 3",
        "  2 records to the quarantine (conflicting_duplicate), first in line 2: 's1'",
        "  show_id: 1 record to the quarantine (missing_show_id), first in line 5",
    ]


def test_a_clean_file_has_no_warnings(pipeline: Pipeline) -> None:
    text = report(pipeline, rows(PLAIN_ROW))
    assert fact(text, "encoding") == "ASCII only"
    assert text.endswith("\n0 warnings\n")


def test_hostile_content_never_reaches_the_terminal_raw(pipeline: Pipeline) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e"
    content = f"show_id,type,title,release_year,{hostile}\n{hostile},Movie,{hostile},2020,1\n"
    content += f"{hostile},Movie,x,2020,1\n"  # also as a doubled key
    text = report(pipeline, content.encode())
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\\x1b]0;owned\\x07\\x1b[2J\\u202e 2 times, from line 2" in text
    assert "title: 1 value with control characters, first in line 2" in warned(text)


@pytest.mark.slow
def test_lines_never_exceed_the_terminal(pipeline: Pipeline) -> None:
    content = rows(
        PLAIN_ROW.replace("Text", "寿司" * 90), PLAIN_ROW.replace("Text", "e\u0301" * 300)
    ).replace(b"director", "監督の名前".encode())
    for width in (80, 100, 120):
        path = delivered(pipeline, content)
        lines = inspect_data.draw_table(profiled(pipeline, path), width)
        assert max(map(taken, lines)) in (width, width - 1, width - 2)  # no half a wide letter
        assert len({taken(line.partition(" %")[0]) for line in lines[1:]}) == 1  # they align


def taken(text: str) -> int:
    return sum(
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


def profiled(pipeline: Pipeline, path: Path) -> profile.Profile:
    return profile.profile_source(settings_for(pipeline, path), foresee)


def settings_for(pipeline: Pipeline, path: Path) -> inspect_data.Settings:
    return inspect_data.load_settings({**pipeline.environment, "NETFLIX_CSV": str(path)})


ENCODINGS = {
    "ascii": (rows(PLAIN_ROW), "ASCII only"),
    "utf-8": (
        rows(PLAIN_ROW.replace("Text", "ñ" * 1234)),
        "UTF-8 (certain: 1,234 multi-byte characters, all valid)",
    ),
    "bom": (
        b"\xef\xbb\xbf" + rows(PLAIN_ROW),
        "UTF-8 (certain: byte order mark; 0 multi-byte characters, all valid)",
    ),
    "utf-16": (rows(PLAIN_ROW).decode().encode("utf-16"), "UTF-16 (certain: byte order mark)"),
    "one latin-1 line among utf-8": (
        rows(PLAIN_ROW.replace("Text", "ñ"), PLAIN_ROW.replace("s1", "s2"))
        + PLAIN_ROW.replace("Text", "é").encode("latin-1"),
        "UTF-8 with Windows-1252 bytes in 1 line (4); 2 multi-byte characters in all",
    ),
    "all latin-1": (
        rows(PLAIN_ROW) + PLAIN_ROW.replace("Text", "é").encode("latin-1") + b"\r\n",
        "Windows-1252 (likely: nothing beyond ASCII is UTF-8; such bytes in 1 line)",
    ),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_inspect_reports_the_encoding_and_how_sure_it_is(pipeline: Pipeline, kind: str) -> None:
    content, expected = ENCODINGS[kind]
    if kind.startswith("one"):
        content = content.replace(b"\r\n", b"\n")
    assert fact(report(pipeline, content), "encoding") == expected


def test_a_damaged_file_shows_what_does_not_fit_and_profiles_the_rest(pipeline: Pipeline) -> None:
    damaged = ("s2,Movie,too,few", 's3,Movie,"open,,,,,2020,PG,90 min,Dramas,Text', PLAIN_ROW)
    text = report(pipeline, rows(PLAIN_ROW, *damaged, "", PLAIN_ROW.replace("s1", "s9")))
    assert fact(text, "records") == "5, 2 do not fit"
    assert warned(text) == [
        "2 records set aside, not fitting the header (line 3: 4 fields, the header has 12; "
        "line 4: a quote is opened and never properly closed)",
        "1 blank line between the records",
        "show_id: 1 duplicate key in 2 records (s1 2 times, from line 2)",
    ]


@pytest.mark.slow
def test_odd_files_are_still_inspected(pipeline: Pipeline) -> None:
    assert warned(report(pipeline, rows())) == ["there is a header and no record"]
    mixed = rows(PLAIN_ROW) + PLAIN_ROW.replace("s1", "s2").encode() + b"\n"
    assert warned(report(pipeline, mixed)) == ["mixed line ends: CRLF 1, LF 1"]
    (pipeline.root / "catalogue.csv").unlink()
    packed = report(pipeline, gzip.compress(rows(PLAIN_ROW)), "catalogue.csv.gz")
    assert fact(packed, "sha-256") == sha256(pipeline.root / "catalogue.csv.gz")
    (pipeline.root / "catalogue.csv.gz").unlink()
    twice = b"show_id;type;title;release_year;title\ns1;Movie;a;2020;b\n"
    text = report(pipeline, twice)
    assert fact(text, "delimiter") == "semicolon"
    assert warned(text)[0].startswith("step 02 would refuse it: the header names 'title' twice")


def test_distinct_counts_of_long_files_are_marked_as_estimates(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "EXACT_ROWS", 1)
    path = delivered(pipeline, rows(PLAIN_ROW, PLAIN_ROW.replace("s1", "s2")))
    lines = inspect_data.draw_table(profiled(pipeline, path), 100)
    assert lines[1].split() == ["1", "show_id", "100.0", "%", "~2", "2-2", "s1", "|", "s2"]


HOSTILE = (
    "show_id,type,title,release_year,=cmd(),<b>&\x1b[2J\n"
    's1,Movie,"@SUM(A1), ""quoted""",2020,<script>,\uff1d1+1\n'
    "s2,Movie,-1,2020,,\n"
)


def saved(pipeline: Pipeline, name: str) -> Path:
    """The report on HOSTILE as a file of that name, written next to the catalogue and nowhere."""
    path, output = delivered(pipeline, HOSTILE.encode()), pipeline.root / name
    plain = pipeline.step(STEP, str(path))
    done = pipeline.step(STEP, str(path), "--output", str(output))
    assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, "")
    assert {entry.name for entry in pipeline.root.iterdir()} == {path.name, name}
    return output


def test_the_columns_are_saved_as_a_csv_without_formulas(pipeline: Pipeline) -> None:
    with saved(pipeline, "profile.csv").open(encoding="utf-8", newline="") as file:
        heading, *lines = csv.reader(file)
    assert heading == [
        "position", "column", "is_named", "filled", "filled_pct", "distinct", "distinct_is_exact",
        "shortest", "longest", "examples",
    ]  # fmt: skip
    assert [",".join(line[:2] + line[3:6] + line[7:9]) for line in lines] == [
        "1,show_id,2,100.0,2,2,2",
        "2,type,2,100.0,1,5,5",
        "3,title,2,100.0,2,2,18",
        "4,release_year,2,100.0,1,4,4",
        "5,'=cmd(),1,50.0,1,8,8",
        "6,<b>&\\x1b[2J,1,50.0,1,4,4",
    ]
    assert [line[-1] for line in lines[2:]] == [
        "'@SUM(A1), \"quoted\" | -1", "2020", "<script>", "'\uff1d1+1",
    ]  # fmt: skip


def test_the_columns_are_saved_as_parquet_with_their_types(pipeline: Pipeline) -> None:
    output = saved(pipeline, "profile.parquet")
    assert duckdb.sql(
        f"SELECT position, \"column\", filled, filled_pct, longest FROM '{output}' LIMIT 1"
    ).fetchall() == [(1, "show_id", 2, 100.0, 2)]
    frame = pd.read_parquet(output)
    assert list(frame["column"][4:]) == ["=cmd()", "<b>&\\x1b[2J"]
    assert list(frame["examples"][2:4]) == ['@SUM(A1), "quoted" | -1', "2020"]


def test_the_page_has_both_tables_whole_and_runs_nothing(pipeline: Pipeline) -> None:
    page = saved(pipeline, "profile.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page and "<script" not in page and "<b>" not in page
    assert "<td>&lt;b&gt;&amp;\\x1b[2J</td>" in page
    assert "<td>2 unknown columns: =cmd(), &lt;b&gt;&amp;\\x1b[2J</td>" in page
    assert sha256(pipeline.root / "catalogue.csv") in page
    assert all(c.isprintable() or c == "\n" for c in page)


def test_an_impossible_output_is_refused_in_one_sentence(pipeline: Pipeline) -> None:
    path = delivered(pipeline, rows(PLAIN_ROW))
    for name, why in (
        ("profile.xlsx", "must end in one of .csv, .html, .parquet"),
        ("catalogue.csv", "is the file that is inspected"),
    ):
        refused = pipeline.step(STEP, str(path), "--output", str(pipeline.root / name))
        assert (refused.returncode, refused.stdout) == (2, ""), refused
        assert refused.stderr == f"inspect   failed: --output {pipeline.root / name} {why}\n"
    assert path.read_bytes() == rows(PLAIN_ROW)
    assert [entry.name for entry in pipeline.root.iterdir()] == ["catalogue.csv"]


def test_a_failed_save_keeps_the_old_report(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = delivered(pipeline, rows(PLAIN_ROW)), pipeline.root / "profile.csv"
    output.write_text("of yesterday")

    def fill_the_disk(frame: pd.DataFrame, target: Path, **options: object) -> None:
        target.write_text("position,col")
        raise OSError("no space left")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fill_the_disk)
    failed = pipeline.step(STEP, str(path), "--output", str(output))
    assert (failed.returncode, failed.stderr) == (1, "inspect   failed: no space left\n")
    assert output.read_text() == "of yesterday"
    assert {entry.name for entry in pipeline.root.iterdir()} == {path.name, output.name}


@pytest.mark.slow
def test_a_closed_pipe_ends_it_quietly(pipeline: Pipeline) -> None:
    path = delivered(pipeline, rows(PLAIN_ROW))
    process = subprocess.Popen(
        [sys.executable, PROJECT / "python" / f"{STEP}.py", path],
        env=pipeline.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("", 0)
    process.stderr.close()


def test_a_file_that_is_not_a_catalogue_gives_one_line_and_an_exit_code(pipeline: Pipeline) -> None:
    missing = pipeline.step(STEP, str(pipeline.root / "nothing.csv"))
    assert (missing.returncode, missing.stdout) == (20, "")
    assert missing.stderr.startswith("inspect   failed: no input file at ")
    assert missing.stderr.count("\n") == 1
    page = pipeline.step(STEP, NETFLIX_CSV=str(delivered(pipeline, b"<!DOCTYPE html><html>")))
    assert (page.returncode, page.stdout) == (20, "")
    assert "is an HTML or XML page" in page.stderr
    assert pipeline.step(STEP, "a.csv", "b.csv").returncode == 2
    assert pipeline.step(STEP, DUCKDB_THREADS="many").returncode == 2
    assert [entry.name for entry in pipeline.root.iterdir()] == ["catalogue.csv"]


def test_the_real_file(pipeline: Pipeline, real_data: Path) -> None:
    text = report(pipeline, (real_data / "netflix_titles.csv").read_bytes())
    facts = [fact(text, label) for label in ("encoding", "line ends", "records", "columns")]
    assert facts == [
        "UTF-8 with Windows-1252 bytes in 1 line (8812); 7,187 multi-byte characters in all",
        "CRLF 8,809",
        "8,809",
        "26, 14 unnamed and empty",
    ]
    assert warned(text) == [
        "14 unnamed columns without any value",
        "title: 1 value with trailing blanks, first in line 6531",
        "country: 7 values with empty list entries, first in line 195",
        "date_added: 88 values with leading blanks, first in line 6081",
        "rating: 3 values with what looks like a duration, first in line 5543",
        "rating: the check accepted_ratings will warn (1 times): rating=A, titles=1, example=s8809",
    ]
