"""A reader that closes the pipe, as `| head` does, does not change what a script does."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest import mock

import pytest
from conftest import PROJECT
from titles import catalogue, title

from runner.console import say

SCRIPTS = {path.stem for path in (PROJECT / "python").glob("[01]*.py")}
# In this order on one file; each by the exit code that it has with an open pipe.
COMMANDS = {
    "01_inspect_data": 0,
    "02_create_raw_layer": 0,
    "03_load_raw_to_duckdb": 0,
    "04_check_schema": 0,
    "05_run_staging_sql": 0,
    "06_merge_cdc --plan": 0,
    "06_merge_cdc": 0,
    "09_publish": 2,  # not audited yet
    "07_monitor_pipeline": 0,
    "08_build_analytics": 0,
    "09_publish ": 0,
    "10_rebuild_warehouse --verify": 0,
    "10_rebuild_warehouse": 0,
    "11_explain_title s1": 0,
    "11_explain_title nobody": 2,
    "12_mirror": 2,  # no MIRROR_URL
    "operations/status": 0,
    "operations/status --open": 0,
    "operations/status --help": 0,
    "07_monitor_pipeline --no-such-option": 2,
    "00_make_sample_data --rows 100": 2,  # there is another file, which it does not replace
}


@contextmanager
def closed_pipe() -> Iterator[io.TextIOWrapper]:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:
        yield stream


@pytest.mark.slow
def test_a_closed_pipe_changes_no_outcome_of_any_script(pipeline):
    assert {command.split()[0] for command in COMMANDS} >= SCRIPTS
    (pipeline.root / "data/raw").mkdir(parents=True)
    source = pipeline.put(catalogue(*map(title, range(1, 41))), "data/raw/netflix_titles.csv")
    pipeline.settings |= {"NETFLIX_CSV": source, "FRESHNESS_DAYS": "36500"}
    pipeline.settings |= {"NEWEST_TITLE_DAYS": "36500"}
    codes = {}
    for command in COMMANDS:
        name, *arguments = command.split()
        with (
            closed_pipe() as stream,
            mock.patch("conftest.redirect_stdout", lambda _, pipe=stream: redirect_stdout(pipe)),
            mock.patch("conftest.redirect_stderr", lambda _, pipe=stream: redirect_stderr(pipe)),
        ):
            codes[command] = pipeline.step(name, *arguments).returncode
    assert codes == COMMANDS
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(40,)]
    log = (pipeline.root / "logs" / "pipeline.log").read_text()
    assert "crashed" not in log and (pipeline.root / "data/published/dashboard.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("script", ["run_all.py", "07_monitor_pipeline.py"])
def test_a_closed_pipe_changes_no_outcome_of_a_process(pipeline, published_once, script):
    """The chain with its children, and what Python flushes at the end."""
    source = str(pipeline.copy_of(published_once).root / "catalogue.csv")
    pipeline.settings |= {"NETFLIX_CSV": source, "NEWEST_TITLE_DAYS": "36500"}
    assert pipeline.step("03_load_raw_to_duckdb").returncode == 0  # the folder was moved
    for streams in (("stdout",), ("stdout", "stderr")):
        with closed_pipe() as stream:
            done = subprocess.run(
                [sys.executable, str(PROJECT / "python" / script)],
                env=pipeline.environment,
                **dict.fromkeys(streams, stream),
            )
        assert done.returncode == 0
    assert pipeline.step("09_publish").returncode == 0


def test_say_does_nothing_without_a_stream():
    with mock.patch("sys.stdout", None):
        say("nobody hears this")
