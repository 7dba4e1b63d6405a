"""The sample's truth file is right: everything is counted again here, from the bytes."""

import csv
import hashlib
import importlib
import io
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sample = importlib.import_module("00_make_sample_data")

RECORD_END = b"," * 14 + b"\r\n"
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> dict[int, tuple[bytes, dict]]:
    """Days 1 to 3 of one catalogue: the file's bytes and its truth as read from disk."""
    folder = tmp_path_factory.mktemp("days")
    found = {}
    for day in (1, 2, 3):
        out = folder / f"day{day}.csv"
        returned = sample.run(out, rows=3_000, day=day)
        on_disk = json.loads(out.with_suffix(".truth.json").read_bytes())
        assert returned == on_disk
        found[day] = out.read_bytes(), on_disk
    return found


def records_of(content: bytes) -> dict[str, bytes]:
    """show_id -> the record's bytes; a record ends with the 14 empty columns and CRLF."""
    header, *records, rest = content.split(RECORD_END)
    assert header.startswith(b"show_id,")
    assert rest == b""
    found = {record.partition(b",")[0].decode(): record for record in records}
    assert len(found) == len(records), "show_id is unique"
    return found


def decoded(content: bytes) -> tuple[str, list[int]]:
    """The text, each line in its own encoding, and the numbers of the lines that are not UTF-8."""
    lines, damaged = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252"))
            damaged.append(number)
    return "\n".join(lines), damaged


def changes_between(old: bytes, new: bytes) -> dict[str, set[str]]:
    before, after = records_of(old), records_of(new)
    return {
        "inserted": after.keys() - before.keys(),
        "updated": {key for key in before.keys() & after.keys() if before[key] != after[key]},
        "deleted": before.keys() - after.keys(),
    }


def keys_in(truth: dict) -> dict[str, set[str]]:
    assert all(len(c["keys"]) == c["count"] for c in truth["changes"].values())
    return {name: set(change["keys"]) for name, change in truth["changes"].items()}


@pytest.mark.slow
@pytest.mark.parametrize("day", [1, 3])
def test_the_truth_file_matches_the_bytes(days, day):
    content, truth = days[day]
    text, damaged = decoded(content)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    titles = [dict(zip(header[:12], row, strict=False)) for row in rows]

    types = Counter(title["type"] for title in titles)
    assert {
        name: value for name, value in truth.items() if name not in ("made_with", "changes")
    } == {
        "file": f"day{day}.csv",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "lines": content.count(b"\n"),
        "rows": len(rows),
        "movies": types["Movie"],
        "tv_shows": types["TV Show"],
        "line_feed_records": sum(any("\n" in value for value in row) for row in rows),
        "durations_in_rating": sum(bool(re.search(r"\d", t["rating"][:2])) for t in titles),
        "leading_blanks": sum(t["date_added"].startswith(" ") for t in titles),
        "stray_commas": sum("" in map(str.strip, t["country"].split(",")) for t in titles)
        - sum(not t["country"] for t in titles),
        "missing_dates": sum(not t["date_added"] for t in titles),
        "missing_directors": sum(not t["director"] for t in titles),
        "missing_casts": sum(not t["cast"] for t in titles),
        "missing_countries": sum(not t["country"] for t in titles),
        "cp1252_lines": {"count": len(damaged), "first": damaged[:100]},
    }


@pytest.mark.slow
def test_the_file_has_the_shape_of_the_real_one(days):
    content, _ = days[1]
    text, _ = decoded(content)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == [*sample.COLUMNS.split(","), *[""] * 14]
    assert {len(row) for row in rows} == {26}
    assert {value for row in rows for value in row[12:]} == {""}
    assert [row[0] for row in rows] == [f"s{number}" for number in range(1, 3_001)]
    assert content.endswith(b"\r\n")
    assert content.count(b"\r") == content.count(b"\r\n") == len(rows) + 1
    assert not content.startswith(b"\xef\xbb\xbf")
    assert {i for i in content if i < 32} == set(b"\r\n"), "no other control character"


@pytest.mark.slow
def test_values_that_carry_no_defect_are_clean(days):
    text, _ = decoded(days[3][0])
    for title in csv.DictReader(io.StringIO(text, newline="")):
        key = title["show_id"]
        assert re.fullmatch(rf"|(?: ?(?:{MONTHS}) \d\d?, 20\d\d)", title["date_added"]), key
        if title["date_added"]:
            assert int(title["release_year"]) <= int(title["date_added"][-4:]), key
        unit = " min" if title["type"] == "Movie" else r" Seasons?"
        duration = title["duration"] or title["rating"]
        assert re.fullmatch(rf"\d+{unit}", duration), key
        for name in ("title", "director", "cast", "listed_in", "description", "rating"):
            assert title[name] == title[name].strip(), key
        for name in ("director", "cast", "country", "listed_in"):
            parts = [part.strip() for part in title[name].split(",") if part.strip()]
            assert len(parts) == len(set(parts)), f"{key} names one twice under {name}"
        for name in ("title", "rating", "listed_in", "description"):
            assert title[name], key


@pytest.mark.slow
def test_shares_are_those_of_the_real_catalogue(days):
    text, _ = decoded(days[1][0])
    titles = list(csv.DictReader(io.StringIO(text, newline="")))

    def share(test) -> float:
        return sum(map(bool, map(test, titles))) / len(titles)

    assert share(lambda t: t["type"] == "Movie") == pytest.approx(0.70, abs=0.03)
    assert share(lambda t: not t["director"]) == pytest.approx(0.30, abs=0.03)
    assert share(lambda t: not t["cast"]) == pytest.approx(0.09, abs=0.02)
    assert share(lambda t: not t["country"]) == pytest.approx(0.09, abs=0.02)
    assert share(lambda t: "United States" in t["country"]) == pytest.approx(0.42, abs=0.03)
    assert 0.95 < len({t["title"] for t in titles}) / len(titles) <= 1
    assert len({c.strip() for t in titles for c in t["country"].split(",")} - {""}) >= 60
    assert len({g for t in titles for g in t["listed_in"].split(", ")}) == 42


@pytest.mark.parametrize("day", [2, 3])
def test_a_day_differs_from_the_day_before_as_its_truth_says(days, day):
    (old, _), (new, truth) = days[day - 1], days[day]
    assert changes_between(old, new) == keys_in(truth)
    living = days[day - 1][1]["rows"]
    assert {name: len(keys) for name, keys in keys_in(truth).items()} == {
        "inserted": round(0.005 * living),
        "updated": round(0.01 * living),
        "deleted": round(0.002 * living),
    }


def test_a_deleted_key_stays_away_and_a_correction_persists(days):
    first, second, third = (records_of(days[day][0]) for day in (1, 2, 3))
    of_day_2, of_day_3 = keys_in(days[2][1]), keys_in(days[3][1])
    assert not of_day_2["deleted"] & third.keys()
    assert max(int(key[1:]) for key in second) < min(int(key[1:]) for key in of_day_3["inserted"])
    settled = of_day_2["updated"] - of_day_3["updated"] - of_day_3["deleted"]
    assert settled
    assert all(third[key] == second[key] != first[key] for key in settled)


@pytest.mark.slow
def test_every_correction_changes_its_title_also_after_many_of_them(tmp_path):
    options = {"rows": 300, "updates": 0.6, "deletes": 0.0, "inserts": 0.0}
    contents = []
    for day in (9, 10):
        truth = sample.run(tmp_path / f"{day}.csv", day=day, **options)
        contents.append((tmp_path / f"{day}.csv").read_bytes())
    assert changes_between(*contents) == keys_in(truth)
    assert {name: len(keys) for name, keys in keys_in(truth).items()} == {
        "inserted": 0,
        "updated": 180,
        "deleted": 0,
    }


def test_a_small_file_has_each_defect_and_each_kind_of_change(tmp_path):
    truth = sample.run(tmp_path / "small.csv", rows=100, day=2, seed=7)
    assert truth["cp1252_lines"]["count"] >= 1
    defects = ("line_feed_records", "durations_in_rating", "leading_blanks", "stray_commas")
    assert all(truth[name] >= 1 for name in (*defects, "missing_dates"))
    assert {name: change["count"] for name, change in truth["changes"].items()} == {
        "inserted": 1,
        "updated": 1,
        "deleted": 1,
    }


@pytest.mark.slow
def test_same_options_same_bytes_another_seed_another_catalogue(days, tmp_path):
    out = tmp_path / "again.csv"
    sample.run(out, rows=3_000, day=3)
    assert out.read_bytes() == days[3][0]
    sample.run(out, rows=3_000, day=3, seed=43)  # its own file may be replaced
    ours, others = records_of(days[3][0]), records_of(out.read_bytes())
    assert not {key for key in ours.keys() & others.keys() if ours[key] == others[key]}


def test_the_catalogue_is_the_same_on_every_machine_and_version(days):
    """If this changes on purpose, published samples and benchmarks are no longer comparable."""
    assert (
        days[3][1]["sha256"] == "b5cae45705a7b08f206af43e4c273e7904c3e922eabf36922ed1aaa8fbeea76b"
    )


@pytest.mark.slow
def test_the_number_of_parts_does_not_change_the_file(days, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "PART_ROWS", 700)
    monkeypatch.setattr(sample, "FETCH_ROWS", 300)
    truth = sample.run(tmp_path / "day3.csv", rows=3_000, day=3)
    assert truth == days[3][1]


@pytest.mark.parametrize(
    "truth",
    [None, "{}", "[]", "not json", '{"sha256": "0000"}'],
    ids=["no truth", "no digest", "a list", "not json", "another file's digest"],
)
def test_a_foreign_file_is_never_overwritten(tmp_path, truth):
    out = tmp_path / "netflix_titles.csv"
    out.write_bytes(b"show_id\r\ns1\r\n")
    if truth is not None:
        out.with_suffix(".truth.json").write_text(truth)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(sample.SampleError, match="--force"):
        sample.run(out, rows=5)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_overwrites_a_foreign_file(tmp_path, capsys):
    out = tmp_path / "netflix_titles.csv"
    out.write_bytes(b"show_id\r\ns1\r\n")
    assert sample.main(["--rows", "5", "--force", "--out", str(out)]) == 0
    assert len(records_of(out.read_bytes())) == 5
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rows", "0"),
        ("--rows", "many"),
        ("--day", "0"),
        ("--seed", "-1"),
        ("--updates", "1.5"),
        ("--inserts", "nan"),
        ("--updates", "0.6", "--deletes", "0.6"),
        ("--out", "catalogue.txt"),
        ("--colour", "red"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_gives_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    try:
        code = sample.main(["--out", "sample.csv", *arguments])
    except SystemExit as end:  # what no option or no number is
        code = end.code
    assert code == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err.count("\n")) == ("", 1)
    assert arguments[0].strip("-") in streams.err
    assert list(tmp_path.iterdir()) == []


def test_the_script_refuses_as_a_process_too(tmp_path):
    out = tmp_path / "netflix_titles.csv"
    out.write_bytes(b"real data")
    result = subprocess.run(
        [sys.executable, Path(sample.__file__), "--out", out], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert str(out) in result.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"real data"]


@pytest.mark.slow
def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    out = tmp_path / "sample.csv"
    sample.run(out, rows=5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def disk_full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(sample, "_encode_marked_lines", disk_full)
    with pytest.raises(OSError, match="no space"):
        sample.run(out, rows=10)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
