"""Step 06 killed with SIGKILL at random moments: the old state or the new one, never between."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from conftest import LANDING, PROJECT, Pipeline

ROWS = 5_000
TABLES = ("analytics_netflix_history", "cdc_netflix_changes", "ops_merges", "ops_ambiguous_matches")
MERGE = [sys.executable, str(PROJECT / "python" / "06_merge_cdc.py")]


def history_of(pipeline: Pipeline) -> dict[str, list[tuple]]:
    return {name: pipeline.query(f"FROM {name} ORDER BY ALL") for name in TABLES}


def start_merge(pipeline: Pipeline) -> subprocess.Popen:
    return subprocess.Popen(
        MERGE,
        env=pipeline.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def copied(prepared: Pipeline, root: Path) -> Pipeline:
    shutil.copytree(prepared.root, root)
    return Pipeline(root, prepared.settings)


class Scene:
    """Day 1 merged, day 2 in staging; what the history is before and after day 2 is merged."""

    def __init__(self, root: Path) -> None:
        self.prepared = Pipeline(root / "prepared")
        self.prepared.root.mkdir()
        for day in (1, 2):
            csv = root / f"day{day}.csv"
            made = self.prepared.process(
                "00_make_sample_data", "--rows", str(ROWS), "--day", str(day), "--out", str(csv)
            )
            assert made.returncode == 0, made.stderr
            at = f"2020-01-0{day}"
            chain = (*LANDING, "06_merge_cdc") if day == 1 else LANDING
            done = self.prepared.steps(*chain, NETFLIX_CSV=str(csv), SNAPSHOT_AT=at)
            assert done.returncode == 0, done.stderr
        self.before = history_of(self.prepared)
        undisturbed = copied(self.prepared, root / "undisturbed")
        started = time.perf_counter()
        assert start_merge(undisturbed).wait() == 0
        self.seconds = time.perf_counter() - started  # only to draw moments from
        self.after = history_of(undisturbed)
        assert self.after != self.before


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("killed"))


def check_killed(scene: Scene, root: Path, wanted: int, random: Random) -> None:
    """Kill `wanted` merges at random moments, look at each, and run it again.

    A merge that ends before its moment tells how long one takes by now, and another one is tried.
    """
    killed = 0
    for number in range(4 * wanted):
        moment = random.random()
        pipeline = copied(scene.prepared, root / str(number))
        started = time.perf_counter()
        merge = start_merge(pipeline)
        try:
            code = merge.wait(timeout=moment * scene.seconds)  # the moment, not a sleep
            scene.seconds = time.perf_counter() - started
        except subprocess.TimeoutExpired:
            merge.send_signal(signal.SIGKILL)
            code = merge.wait()
        assert code in (0, -signal.SIGKILL)
        found = history_of(pipeline)
        assert found in (scene.before, scene.after), f"killed at {moment:.3f}"
        assert code or found == scene.after
        again = pipeline.step("06_merge_cdc")
        assert (again.returncode, again.stderr) == (0, ""), f"killed at {moment:.3f}"
        assert history_of(pipeline) == scene.after, f"killed at {moment:.3f}"
        statuses = pipeline.query("SELECT status FROM ops_runs WHERE step = 'merge'")
        assert {status for (status,) in statuses} == {"done"}
        shutil.rmtree(pipeline.root)
        killed += code != 0
        if killed == wanted:
            return
    raise AssertionError(f"only {killed} of {wanted} merges were killed")


@pytest.mark.slow
def test_a_killed_merge_leaves_the_old_or_the_new_history(scene: Scene, tmp_path: Path) -> None:
    check_killed(scene, tmp_path, 2, Random(6))


@pytest.mark.slow
def test_50_killed_merges_leave_the_old_or_the_new_history(scene: Scene, tmp_path: Path) -> None:
    check_killed(scene, tmp_path, 50, Random(50))
