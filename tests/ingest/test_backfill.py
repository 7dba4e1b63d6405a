"""Dated files are loaded one night each, the oldest first; a stopped backfill continues."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from conftest import CHAIN, RECORDS, Pipeline, catalogue, title

from errors import SettingsError
from ingest import backfill
from runner import signals

AT = "name %Y-%m-%d"
DAYS = ("2019-11-20", "2020-01-18", "2020-02-01")
NIGHTS = (range(1, 31), range(2, 33), range(2, 35))


@pytest.fixture
def exports(pipeline, monkeypatch) -> Path:
    """Three dated files in a folder with a blank; a night runs in this process."""
    folder = pipeline.root / "my exports"
    folder.mkdir()
    for day, numbers in zip(DAYS, NIGHTS, strict=True):
        pipeline.put(catalogue(*map(title, numbers)), f"my exports/titles {day}.csv")
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)

    def call(command: list[str], env: dict[str, str]) -> int:
        assert Path(command[1]).name == "run_all.py"
        assert (env["DIGEST_URLS"], env["HEARTBEAT_URL"]) == ("", "")
        given = {name: env[name] for name in ("NETFLIX_CSV", "SNAPSHOT_AT", "FRESHNESS_DAYS")}
        return pipeline.steps(*CHAIN, **given).returncode

    monkeypatch.setattr(signals, "call", call)
    return folder


@pytest.mark.slow
def test_a_stopped_backfill_continues_and_equals_single_nights(
    exports, pipeline, tmp_path_factory, monkeypatch, capsys
):
    work, seen = signals.call, []

    def stop_in_the_third(command: list[str], env: dict[str, str]) -> int:
        seen.append(env["SNAPSHOT_AT"])
        if len(seen) == 3:
            pipeline.step("02_create_raw_layer", **{name: env[name] for name in set(env) & NAMES})
            return 143
        return work(command, env)

    monkeypatch.setattr(signals, "call", stop_in_the_third)
    assert backfill.run([f"{exports}/*.csv"], AT, True) == 0
    assert not (pipeline.root / "data").exists(), "a plan writes nothing"
    assert backfill.run([f"{exports}/*.csv"], AT, False) == 143
    assert seen == [f"{day}T00:00:00" for day in DAYS]
    assert pipeline.query("SELECT count(*) FROM ops_merges") == [(2,)]
    capsys.readouterr()
    assert backfill.run([f"{exports}/*.csv"], AT, False) == 0
    assert seen[3:] == [f"{DAYS[2]}T00:00:00"], "what landed last runs to its end"
    assert capsys.readouterr().out.count("is in") == 3

    nights = Pipeline(tmp_path_factory.mktemp("nights"))
    for day in DAYS:
        given = {"NETFLIX_CSV": str(exports / f"titles {day}.csv"), "SNAPSHOT_AT": day}
        assert nights.steps(*CHAIN, **given, FRESHNESS_DAYS="36500").returncode == 0
    left_out = f"{RECORDS} ops_metrics raw_netflix_titles"  # seals, times and paths of their own
    assert pipeline.tables(left_out) == nights.tables(left_out)


NAMES = {"NETFLIX_CSV", "SNAPSHOT_AT"}


def test_a_night_that_fails_ends_it_with_its_code_and_names_the_file(exports, pipeline, capsys):
    (exports / "titles 2020-01-18.csv").write_text("<html>error</html>")
    os.utime(exports / "titles 2020-01-18.csv", (1_700_000_000, 1_700_000_000))
    assert backfill.run([f"'{exports}/titles 2019-11-20.csv' '{exports}/*'"], AT, False) == 20
    assert "stopped at " in capsys.readouterr().err
    assert len(pipeline.batches()) == 1


@pytest.mark.parametrize(
    ("at", "name", "moment"),
    [
        ("name %Y-%m", "netflix_titles_2019-11.csv", datetime(2019, 11, 1)),
        ("name %Y%m%dT%H%M%S", "a.20191120T030405.csv.gz", datetime(2019, 11, 20, 3, 4, 5)),
        ("name %d-%b-%y", "7 of 07-Nov-19.zip", datetime(2019, 11, 7)),
        ("name (%Y)", "titles (2019).csv", datetime(2019, 1, 1)),
    ],
)
def test_a_time_is_read_from_the_name_by_its_format(at, name, moment):
    assert backfill.find_times([Path(name)], at) == [(moment, Path(name))]


@pytest.mark.parametrize(
    ("at", "names", "words"),
    [
        ("%Y-%m-%d", ["a 2019-11-20.csv"], "name and a format"),
        ("mtime %Y", ["a 2019.csv"], "name and a format"),
        ("name %Y-%Q", ["a.csv"], "%Q"),
        (AT, ["a.csv"], "a.csv should have one time like %Y-%m-%d; it has 0 of them"),
        (AT, ["2019-11-20 to 2019-11-21.csv"], "2 of them"),
        (AT, ["a 2019-13-45.csv"], "2019-13-45"),
        (AT, ["12019-11-20.csv"], "0 of them"),
        (AT, ["a 2019-11-20.csv", "b 2019-11-20.csv"], "a 2019-11-20.csv and b 2019-11-20.csv"),
    ],
)
def test_a_time_that_is_not_clear_is_refused_with_the_name(at, names, words):
    with pytest.raises(SettingsError) as error:
        backfill.find_times([Path(name) for name in names], at)
    assert words in str(error.value)


@pytest.mark.parametrize("patterns", [["none/*.csv"], [""], []])
def test_a_backfill_without_files_is_refused(patterns):
    with pytest.raises(SettingsError):
        backfill.find_files(patterns)
