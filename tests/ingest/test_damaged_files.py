"""Files cut anywhere and mutated at random: never a crash, never a silent loss.

A cut file is a stop or, exactly at a record's end, lands with all records before it (the merge's
guard then sees what is missing). A mutated one keeps every record that was not touched.
"""

import csv
import functools
import importlib
import io
import itertools
import json
import os
import random

import pytest
from conftest import Pipeline

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


def check_cut(pipeline: Pipeline, whole: bytes, at: int) -> None:
    before = pipeline.digests()
    result = land(pipeline, whole[:at])
    assert "crashed" not in result.stderr, (at, result.stderr)
    ends = record_ends(whole)
    if result.returncode == 0:
        manifest = json.loads(
            (pipeline.root / "data/raw/manifest.jsonl").read_text().splitlines()[-1]
        )
        assert ends.get(at) == manifest["records"] == manifest["raw_rows"], at
        for path in (pipeline.root / "data").rglob("*"):  # back to the whole file
            if path.is_file() and str(path.relative_to(pipeline.root)) not in before:
                path.unlink()
    else:
        assert result.returncode == 20, at
        assert pipeline.digests() == before, at


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_small_file_cut_at_every_byte(pipeline, stride):
    assert land(pipeline, SMALL).returncode == 0
    manifest = pipeline.root / "data/raw/manifest.jsonl"
    latest = pipeline.root / "data/raw/netflix_titles_raw.parquet"
    saved = manifest.read_bytes(), latest.read_bytes()
    landed = []
    tried = range(0, len(SMALL), stride)
    for at in sorted({*tried, *record_ends(SMALL)}):
        check_cut(pipeline, SMALL, at)
        if manifest.read_bytes() != saved[0]:
            landed.append(at)
            manifest.write_bytes(saved[0])
            latest.unlink()
            latest.write_bytes(saved[1])
    assert landed == [at for at, records in record_ends(SMALL).items() if 0 < records < 4]


def cut_real(pipeline, real_data, count: int) -> None:
    whole = (real_data / "netflix_titles.csv").read_bytes()
    assert land(pipeline, whole).returncode == 0
    for at in random.Random(20).sample(range(len(whole)), count):
        check_cut(pipeline, whole, at)


def test_the_real_file_cut_at_random_bytes(pipeline, real_data):
    cut_real(pipeline, real_data, 5)


@pytest.mark.slow
def test_the_real_file_cut_at_500_random_bytes(pipeline, real_data):
    cut_real(pipeline, real_data, 500)


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
    import duckdb

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
        batch = json.loads((folder.root / "data/raw/manifest.jsonl").read_text())
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


def test_30_mutated_files_lose_nothing(pipeline, original):
    check_mutants(pipeline, original, 30)


@pytest.mark.slow
def test_1000_mutated_files_lose_nothing(pipeline, original):
    check_mutants(pipeline, original, 1000)


def test_record_ends_agree_with_pythons_csv_reader():
    """The test's own yardstick, checked against another parser."""
    rows = list(csv.reader(io.StringIO(SMALL.decode(), newline="")))
    assert max(record_ends(SMALL).values()) == len(rows) - 1 == 4
