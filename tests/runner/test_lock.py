"""One run at a time, by each path that leads to its files; readers stop no run."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import CHAIN, PROJECT, Pipeline
from titles import catalogue, title

from config import load_settings
from runner.lock import PLAN, hold_lock

MERGE, STATUS, WHY = "06_merge_cdc", "operations/status", "11_explain_title"
ALL = (*CHAIN, "08_build_analytics", "09_publish")
FRESH = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
# Opens the warehouse, says so, and closes it after a while, or when it is told to.
READER = """
import sys, time, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reads")
print("open", flush=True)
time.sleep(float(sys.argv[3])) if len(sys.argv) > 3 else sys.stdin.read()
"""
# What leads to the same data folder, or to the same warehouse: the rest is another one.
ROUTES = {
    "the same": {},
    "another warehouse": {"WAREHOUSE_PATH": "{root}/other.db"},
    "another data folder": {"DATA_DIR": "{root}/other"},
    "a detour to the data folder": {
        "DATA_DIR": "{root}/logs/../data",
        "WAREHOUSE_PATH": "{root}/other.db",
    },
    "a link to the data folder": {
        "DATA_DIR": "{root}/link",
        "WAREHOUSE_PATH": "{root}/other.db",
    },
    "a link to the warehouse": {
        "DATA_DIR": "{root}/other",
        "WAREHOUSE_PATH": "{root}/link.db",
    },
    "a link to the folder of the warehouse": {
        "DATA_DIR": "{root}/other",
        "WAREHOUSE_PATH": "{root}/up/dw.db",
    },
}


@pytest.fixture
def held(pipeline):
    """A pipeline with links to its files."""
    for name in ("data", "logs"):
        (pipeline.root / name).mkdir()
    for name, target in (("link", "data"), ("link.db", "dw.db"), ("up", ".")):
        (pipeline.root / name).symlink_to(target)
    return pipeline


@pytest.mark.parametrize("route", ROUTES)
def test_a_second_run_names_the_holder_whatever_paths_it_uses(held, route):
    settings = {name: text.format(root=held.root) for name, text in ROUTES[route].items()}
    with hold_lock(load_settings(held.environment)):
        for step in (MERGE, "run_all"):
            done = held.step(step, **settings)
            assert done.returncode == 75, done
            assert f"(pid {os.getpid()} since 2" in done.stderr and "is working on" in done.stderr
    assert held.step(MERGE, **settings).returncode == 2  # nothing was landed
    assert {path.read_text() for path in held.root.rglob("*.lock")} == {""}


def test_a_run_waits_for_a_plan_that_copies_and_not_for_another_run(held):
    settings = load_settings(held.environment)
    with ThreadPoolExecutor(1) as other, hold_lock(settings, PLAN):
        waiting = other.submit(lambda: hold_lock(settings).__enter__())
        time.sleep(0.2)
        assert not waiting.done()
        assert f"{PLAN} pid {os.getpid()}" in (held.root / "data/.lock").read_text()
    assert waiting.exception() is None


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("night"), dict(FRESH))
    pipeline.settings["NETFLIX_CSV"] = pipeline.put(catalogue(*map(title, range(1, 41))))
    assert pipeline.steps(*ALL).returncode == 0
    return pipeline


def open_elsewhere(pipeline: Pipeline, *how: str) -> subprocess.Popen:
    other = subprocess.Popen(
        [sys.executable, "-c", READER, str(pipeline.root / "dw.db"), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "open\n"
    return other


def test_a_step_waits_for_a_reader_who_soon_closes_the_file(night):
    with open_elsewhere(night, "reads", "0.5"):
        assert night.step("03_load_raw_to_duckdb").returncode == 0


def test_status_and_why_read_the_published_copy_while_a_step_has_the_warehouse(night):
    with open_elsewhere(night, "writes") as step:
        status, why = night.step(STATUS), night.step(WHY, "s2")
        assert (status.returncode, why.returncode) == (0, 0), status.stderr + why.stderr
        assert "this is the version that was published last" in status.stdout
        assert "40 titles" in status.stdout and "Title 2" in why.stdout
        step.communicate("")


def two_chains(pipeline: Pipeline) -> None:
    """Start two chains on one data folder, each with a warehouse of its own, at once."""
    source = pipeline.put(catalogue(*map(title, range(1, 41))))
    both = [
        subprocess.Popen(
            [sys.executable, str(PROJECT / "python" / "run_all.py")],
            env=pipeline.environment
            | {"NETFLIX_CSV": source, "WAREHOUSE_PATH": str(pipeline.root / name)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one.db", "two.db")
    ]
    said = [chain.communicate(timeout=120)[1] for chain in both]
    assert sorted(chain.returncode for chain in both) == [0, 75], said
    assert f"another run is working on {pipeline.root / 'data'} (pid " in "".join(said)
    (batch,) = pipeline.batches()
    left = {path.name for path in (pipeline.root / "data/raw/snapshots").iterdir()}
    assert left == {batch["parquet"], f"{batch['batch_id']}.json"}


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_only_one_of_two_chains_on_a_data_folder_runs(pipeline, times):
    for number in range(times):
        root = pipeline.root / str(number)
        root.mkdir()
        two_chains(Pipeline(root, FRESH))


@pytest.mark.slow
def test_20_nights_with_status_in_a_loop(pipeline):
    pipeline.settings |= FRESH
    loop = "while :; do " + f'"{sys.executable}" "{PROJECT}/python/operations/status.py"; done'
    with subprocess.Popen(
        ["bash", "-c", loop],
        env=pipeline.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as status:
        try:
            for night in range(20):
                titles = [title(n, description=f"{night}") for n in range(1, 61)]
                done = pipeline.process("run_all", NETFLIX_CSV=pipeline.put(catalogue(*titles)))
                assert done.returncode == 0, done.stderr
        finally:
            os.killpg(status.pid, 9)
