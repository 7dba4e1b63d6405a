"""Files cut anywhere and mutated at random: never a crash, never a silent loss.

A cut file is a stop or, exactly at a record's end, lands with all records before it (the merge's
guard then sees what is missing). A mutated one keeps every record that was not touched.
"""

import csv
import functools
import importlib
import io
import itertools
import logging
import os
import random
import shutil
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import duckdb
import pytest
from conftest import Pipeline

from config import Settings, load_settings
from contract import load_contract
from errors import Refused
from ingest.csv_repair import repair_source
from ingest.manifest import Batch
from ingest.snapshot import land_snapshot
from ingest.source_file import SourceFile
from runner.step import Step

HEADER = "show_id,type,title,director,release_year\r\n"
SMALL = (
    HEADER + 's1,Movie,"A, with ""quotes""",X,2020\r\ns2,TV Show,"two\r\nlines\nand more",,2021\r\n'
    "s3,Movie,Größe,Y,1999\r\ns4,Movie,plain,Z,2000\r\n"
).encode()
RAW = "02_create_raw_layer"


@functools.cache
def record_ends(content: bytes) -> dict[int, int]:
    """Byte offset of each record's end -> how many records (without header) end by there."""
    ends, odd, count = {}, False, -1
    for offset, byte in enumerate(content):
        odd ^= byte == ord('"')
        if byte == ord("\n") and not odd:
            count += 1
            ends[offset + 1] = count
    return ends


def land(pipeline: Pipeline, content: bytes):
    path = pipeline.root / "catalogue.csv"
    path.write_bytes(content)
    os.utime(path, (0, 0))
    return pipeline.step(RAW, NETFLIX_CSV=str(path))


def check_cut(pipeline: Pipeline, whole: bytes, at: int) -> bool:
    """Whether the file that was cut there was landed; if so, it is taken out again."""
    before = pipeline.digests()
    result = land(pipeline, whole[:at])
    assert "crashed" not in result.stderr, (at, result.stderr)
    ends = record_ends(whole)
    if result.returncode == 0:
        manifest = pipeline.batches()[-1]
        assert ends.get(at) == manifest["records"] == manifest["raw_rows"], at
        for path in (pipeline.root / "data").rglob("*"):  # back to the whole file
            if path.is_file() and str(path.relative_to(pipeline.root)) not in before:
                path.unlink()
        (pipeline.root / "dw.db").unlink()  # it knows the record that is gone
    else:
        assert result.returncode == 20, at
        assert pipeline.digests() == before, at
    return result.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("stride", [7, 1])
def test_a_small_file_cut_at_every_byte(pipeline, stride):
    assert land(pipeline, SMALL).returncode == 0
    latest = pipeline.root / "data/raw/netflix_titles_raw.parquet"
    saved = latest.read_bytes()
    landed = []
    tried = range(0, len(SMALL), stride)
    for at in sorted({*tried, *record_ends(SMALL)} - {len(SMALL)}):
        if check_cut(pipeline, SMALL, at):
            landed.append(at)
            latest.unlink()
            latest.write_bytes(saved)
    assert landed == [at for at, records in record_ends(SMALL).items() if 0 < records < 4]


def cut_real(pipeline, real_data, count: int) -> None:
    whole = (real_data / "netflix_titles.csv").read_bytes()
    assert land(pipeline, whole).returncode == 0
    for at in random.Random(20).sample(range(len(whole)), count):
        check_cut(pipeline, whole, at)


@pytest.mark.slow
def test_the_real_file_cut_at_random_bytes(pipeline, real_data):
    cut_real(pipeline, real_data, 5)


@pytest.mark.slow
def test_the_real_file_cut_at_500_random_bytes(pipeline, real_data):
    cut_real(pipeline, real_data, 500)


@pytest.mark.slow
def test_a_real_file_cut_at_a_record_end_is_stopped_by_the_guard(pipeline, real_data):
    whole = (real_data / "netflix_titles.csv").read_bytes()
    assert pipeline.land(whole).returncode == 0
    assert pipeline.step("06_merge_cdc").returncode == 0
    before = pipeline.query("SELECT * FROM analytics_netflix_history ORDER BY version_id")
    half = max(at for at in record_ends(whole) if at < len(whole) // 2)
    assert pipeline.land(whole[:half]).returncode == 0
    stopped = pipeline.step("06_merge_cdc")
    assert (stopped.returncode, "the file deletes 4," in stopped.stderr) == (20, True)
    assert pipeline.query("SELECT * FROM analytics_netflix_history ORDER BY version_id") == before


def flip(b: bytes, at: int, r: random.Random) -> bytes:
    return b[:at] + bytes([b[at] ^ (1 << r.randrange(8))]) + b[at + 1 :]


def swap(b: bytes, at: int, r: random.Random) -> bytes:
    one, two = sorted((at, r.randrange(len(b))))
    length = r.randrange(1, 60)
    return (
        b[:one]
        + b[two : two + length]
        + b[one + length : two]
        + b[one : one + length]
        + b[two + length :]
    )


FOREIGN = (b"\0", b"\xff", b"\xc3", b"\x81")
MUTATIONS = {
    "flip a bit": flip,
    "delete a byte": lambda b, at, r: b[:at] + b[at + 1 :],
    "insert a quote": lambda b, at, r: b[:at] + b'"' + b[at:],
    "delete a line end": lambda b, at, r: b[: (i := b.find(b"\r\n", at))] + b[i + 2 :],
    "double a chunk": lambda b, at, r: b[: at + r.randrange(1, 200)] + b[at:],
    "insert foreign bytes": lambda b, at, r: b[:at] + r.choice(FOREIGN) + b[at:],
    "swap two chunks": swap,
    "delete a delimiter": lambda b, at, r: b[: (i := b.find(b",", at))] + b[i + 1 :],
}  # fmt: skip


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> bytes:
    """40 made-up titles, with quotes, line feeds inside fields and all the planted defects."""
    sample = importlib.import_module("00_make_sample_data")
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    sample.run(path, rows=40)
    return path.read_bytes()


def records_of(content: bytes) -> dict[str, bytes]:
    """Key -> the record's bytes, line end included."""
    ends = list(record_ends(content))
    pieces = [content[a:b] for a, b in itertools.pairwise(ends)]
    return {piece.split(b",", 1)[0].decode(): piece for piece in pieces}


def check_mutants(pipeline: Pipeline, original: bytes, count: int) -> None:
    records, r = records_of(original), random.Random(3)
    assert len(records) == 40
    settings = {"MAX_REJECTED_ROWS": "1000"}
    outcomes = {0: 0, 20: 0}
    kinds = list(MUTATIONS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        mutant = MUTATIONS[kind](original, r.randrange(len(original) - 300), r)
        folder = Pipeline(pipeline.root / str(number), settings)
        folder.root.mkdir()
        result = land(folder, mutant)
        where = (number, kind, result.stderr)
        assert "crashed" not in result.stderr and "Traceback" not in result.stderr, where
        outcomes[result.returncode] += 1
        if result.returncode:
            continue
        [batch] = folder.batches()
        assert batch["records"] == batch["raw_rows"] + batch["rejected"], where
        latest = folder.root / "data/raw/netflix_titles_raw.parquet"
        columns = [name for name in batch["columns"] if name.lower().startswith("show")]
        found = set()
        if columns:
            keys = duckdb.execute(f"SELECT \"{columns[0]}\" FROM '{latest}'").fetchall()
            found = {key for (key,) in keys}
        texts = ""
        if batch["rejects"]:
            path = latest.parent / "snapshots" / batch["rejects"]
            texts = "\n".join(
                row[0] for row in duckdb.execute(f"SELECT raw_text FROM '{path}'").fetchall()
            )
        untouched = [key for key, record in records.items() if b"\n" + record in mutant]
        lost = [key for key in untouched if columns and key not in found and f"{key}," not in texts]
        assert lost == [], where
    assert outcomes[0] > count / 2, outcomes


@pytest.mark.slow
def test_30_mutated_files_lose_nothing(pipeline, original):
    check_mutants(pipeline, original, 30)


@pytest.mark.slow
def test_1000_mutated_files_lose_nothing(pipeline, original):
    check_mutants(pipeline, original, 1000)


# --------------------------------------------------------------------------- columns never shift

SHIFTS = {
    "insert a delimiter": lambda b, at, r: b[:at] + b"," + b[at:],
    "double a delimiter": lambda b, at, r: b[: (i := b.find(b",", at))] + b"," + b[i:],
    "a delimiter at the end": lambda b, at, r: b[: (i := b.find(b"\r\n", at))] + b"," + b[i:],
    "delete a quote": lambda b, at, r: b[: (i := b.find(b'"', at))] + b[i + 1 :],
    **MUTATIONS,
}
del SHIFTS["swap two chunks"]  # it may put a value into another column by right


def read_careful(settings: Settings, path: Path) -> tuple[dict[int, list[str]], int]:
    """Line -> values, and the number of misfits, as the repair sees the file."""
    names = load_contract(settings.contract_path).known_names
    scan = repair_source(SourceFile(path, path.name), names, path.parent, settings)
    with scan.parts[0].open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return {int(line): values for line, *values in rows}, scan.rejected


def check_columns(folder: Path, content: bytes, values: dict[str, list[str]]) -> Batch | None:
    """Land a file: no value may be in another column, and the repair must see the same records.

    `values` are those of the file before it was damaged, by their key. None if it was refused.
    """
    given = {"DATA_DIR": str(folder / "data"), "MAX_REJECTED_ROWS": "1000", "DUCKDB_THREADS": "1"}
    settings = load_settings(given)
    landing = settings.raw_dir / ".landing"
    for place in (settings.snapshots, landing):
        place.mkdir(parents=True)
    path = folder / "catalogue.csv"
    path.write_bytes(content)
    step = Step("raw", settings, "", logging.Logger("nowhere"))
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            batch = land_snapshot(step, SourceFile(path, path.name), [], landing)
    except Refused:
        assert list(settings.snapshots.iterdir()) == []
        return None
    columns = ", ".join(f'"{name}"' for name in batch.columns)
    rows = duckdb.execute(
        f"SELECT source_line, {columns} FROM '{settings.snapshots / batch.parquet}'"
    ).fetchall()
    assert batch.records == len(rows) + batch.rejected
    landed = {line: [text or "" for text in row] for line, *row in rows}
    assert (landed, batch.rejected) == read_careful(settings, path)
    for key, *row in landed.values():
        before = values.get(key, [])[1:]
        moved = [
            text
            for at, (text, was) in enumerate(zip(row, before, strict=False))
            if text and text != was and text in before[:at] + before[at + 1 :]
        ]
        assert moved == [], key
    return batch


def read_values(content: bytes) -> dict[str, list[str]]:
    """Key -> fields, of a file that is whole; as latin-1: only names in ASCII are compared."""
    return {row[0]: row for row in csv.reader(io.StringIO(content.decode("latin-1"), newline=""))}


def check_excerpts(folder: Path, excerpts: Iterable[bytes]) -> None:
    r, landed, kinds = random.Random(26), [], list(SHIFTS)
    for number, excerpt in enumerate(excerpts):
        at = r.randrange(excerpt.index(b"\n") + 1, len(excerpt) - 300)
        mutant = SHIFTS[kinds[number % len(kinds)]](excerpt, at, r)
        landed.append(check_columns(folder / str(number), mutant, read_values(excerpt)))
        shutil.rmtree(folder / str(number))
    assert sum(map(bool, landed)) > len(landed) / 2


def test_11_damaged_files_of_26_columns_have_no_value_in_another_column(tmp_path, original):
    check_excerpts(tmp_path, [original] * 11)


@pytest.mark.slow
def test_400_damaged_excerpts_of_the_real_file_have_no_value_in_another_column(tmp_path, real_data):
    whole = (real_data / "netflix_titles.csv").read_bytes()
    head, *ends = record_ends(whole)
    starts = random.Random(400).choices(range(len(ends) - 40), k=400)
    check_excerpts(tmp_path, (whole[:head] + whole[ends[n] : ends[n + 40]] for n in starts))


FOUR = ["s1,Movie,A,X,2020", "s2,TV Show,B,,2021", 's3,Movie,"C, D",Y,', "s4,Movie,E,Z,2000"]
BROKEN = 's6,Movie,"G"x,V,2001'


def check_lines(folder: Path, *lines: str) -> tuple[int, int]:
    """Land these lines; how many records are raw rows, and how many misfits."""
    content = HEADER + "".join(f"{line}\r\n" for line in lines)
    batch = check_columns(folder, content.encode(), {})
    return batch.raw_rows, batch.rejected


@pytest.mark.parametrize("broken", [False, True], ids=["", "another record broken"])
def test_a_stray_delimiter_makes_a_misfit_wherever_it_stands(tmp_path, broken):
    """The verdict on a record depends neither on others nor on which of its fields are empty."""
    lines = [*FOUR, *[BROKEN] * broken]
    for year in ("", "1999"):
        for at in range(6):
            fields = ["s5", "Movie", "F", "W", year]
            lines.insert(2, ",".join([*fields[:at], "", *fields[at:]]))
    assert check_lines(tmp_path, *lines) == (4, 12 + broken)


@pytest.mark.parametrize("broken", [False, True], ids=["", "another record broken"])
@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([",", ",", ",", ","], (4, 0)),  # the form of this file
        ([",", ",", ",", ""], (1, 3)),
        ([",", "", "", ""], (3, 1)),
        ([',""', ",", ",", ","], (4, 0)),
        ([",x", ",", ",", ","], (3, 1)),
        ([",,", ",", ",", ","], (3, 1)),
        ([",,", "", "", ""], (3, 1)),
    ],
)
def test_a_delimiter_at_the_end_is_taken_where_each_record_has_it(tmp_path, ends, expected, broken):
    lines = [line + end for line, end in zip(FOUR, ends, strict=True)]
    raw, rejected = check_lines(tmp_path, *[BROKEN] * broken, *lines)
    assert (raw, rejected - broken) == expected


def test_record_ends_agree_with_pythons_csv_reader():
    """The test's own yardstick, checked against another parser."""
    rows = list(csv.reader(io.StringIO(SMALL.decode(), newline="")))
    assert max(record_ends(SMALL).values()) == len(rows) - 1 == 4
