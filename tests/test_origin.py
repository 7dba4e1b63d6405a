"""A sample is made only on request, and everything made from one says so."""

import hashlib
import json
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, Pipeline, catalogue, title

from config import load_settings
from ingest.source import may_make_sample


def refuse_a_file(pipeline: Pipeline) -> None:
    assert pipeline.raw("<html>", "data/raw/netflix_titles.csv").returncode == 20
    (pipeline.root / "data/raw/netflix_titles.csv").unlink()


def land_a_sample(pipeline: Pipeline) -> None:
    """As step 00 makes it, which takes longer: the truth next to a file names its SHA-256."""
    path = Path(pipeline.put(catalogue(*map(title, range(1, 9))), "data/raw/netflix_titles.csv"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".truth.json").write_text(json.dumps({"sha256": digest}))
    assert pipeline.step("02_create_raw_layer").returncode == 0


def land_and_remove_a_sample(pipeline: Pipeline) -> None:
    land_a_sample(pipeline)
    (pipeline.root / "data/raw/netflix_titles.csv").unlink()


SITUATIONS = {  # how it comes about, the settings, and whether `make run-all` may make a sample
    "nothing is there": (lambda _: None, {}, True),
    "no input file was found": (lambda one: one.step("02_create_raw_layer"), {}, True),
    "a sample was landed, its file is gone": (land_and_remove_a_sample, {}, True),
    "a sample is there": (land_a_sample, {}, False),
    "a file is named": (lambda _: None, {"NETFLIX_CSV": "/nowhere.csv"}, False),
    "it is forbidden": (lambda _: None, {"ALLOW_SAMPLE": "no"}, False),
    "a named file was landed": (lambda one: one.raw(catalogue(title(1))), {}, False),
    "a file was refused": (refuse_a_file, {}, False),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_sample_is_made_only_if_there_never_was_another_file(pipeline, situation):
    build, settings, expected = SITUATIONS[situation]
    (pipeline.root / "data/raw").mkdir(parents=True)
    build(pipeline)
    assert may_make_sample(load_settings({**pipeline.environment, **settings})) is expected


@pytest.mark.parametrize("options", [("--quiet",), ()], ids=["cron", "forbidden"])
def test_a_night_without_an_input_file_makes_nothing_up(pipeline, options):
    done = pipeline.process("run_all", *options, ALLOW_SAMPLE="yes" if options else "no")
    assert (done.returncode, "raw       stopped: no input file: " in done.stderr) == (2, True), done
    assert "Name the file in .env: NETFLIX_CSV=" in done.stderr
    assert pipeline.digests("data/raw") == {}
    assert not list(pipeline.root.glob("dw.db"))


def test_a_plain_run_after_a_named_file_makes_nothing_up(pipeline):
    """The place of a sample is that of the publisher's upload."""
    assert pipeline.raw(catalogue(title(1))).returncode == 0
    before = pipeline.digests("data/raw")
    done = pipeline.process("run_all")
    assert (done.returncode, "no input file: " in done.stderr) == (2, True), done.stderr
    asked = pipeline.step("00_make_sample_data", "--rows", "9")
    assert (asked.returncode, "real files were landed" in asked.stderr) == (2, True)
    assert pipeline.digests("data/raw") == before


NIGHT = (*CHAIN, "08_build_analytics", "09_publish")


@pytest.mark.slow
def test_everything_made_from_a_sample_says_so_and_is_removed_with_it(pipeline):
    (pipeline.root / "data/raw").mkdir(parents=True)
    land_a_sample(pipeline)
    assert pipeline.steps(*NIGHT).returncode == 0
    published = pipeline.root / "data/published"
    ((batch,),) = pipeline.query("SELECT batch_id FROM ops_merges")
    expected = [(batch, "netflix_titles.csv", True)]
    origin = "SELECT batch_id, source, is_sample FROM ops_origin"
    assert pipeline.query(origin) == expected
    with duckdb.connect(str(published / "netflix.duckdb"), read_only=True) as con:
        assert con.execute(origin).fetchall() == expected
    for name in ("dashboard.html", "dictionary.md"):
        assert "ample data" in (published / name).read_text(), name
    assert "made up" in pipeline.python("-m", "operations.status").stdout

    assert pipeline.step("00_make_sample_data", "--remove").returncode == 0
    assert [path for path in published.rglob("*") if not path.is_dir()] == []
    source = pipeline.put(catalogue(title(1)))
    assert pipeline.steps(*CHAIN[:5], NETFLIX_CSV=source).returncode == 0
    assert [row[2] for row in pipeline.query(origin)] == [False]
    assert "made up" not in pipeline.python("-m", "operations.status").stdout
