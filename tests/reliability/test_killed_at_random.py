"""python/run_all.py killed with SIGKILL at random moments, it and all its children.

A killed run is followed by the next, which is killed as well, until one gets through: so also what
mends is killed. After each the parts are as they are behind a whole step, or (one of a thousand
repairs it is killed. After each the parts are as they are after a whole step, or (one of a thousand
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import duckdb
import pytest
from conftest import PROJECT
from scene import STEPS, Scene

PR_SET_CHILD_SUBREAPER = 36
RUN_ALL = [sys.executable, str(PROJECT / "python" / "run_all.py")]


def started(scene: Scene) -> subprocess.Popen:
    return subprocess.Popen(
        RUN_ALL,
        env=scene.work.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_at_random(scene: Scene, report: Callable, times: int, seed: int) -> None:
    random, after, killed = Random(seed), Counter(), 0
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    scene.put(STEPS[0])
    clock = time.perf_counter()
    assert started(scene).wait() == 0
    seconds = time.perf_counter() - clock  # only to draw moments from
    scene.put(STEPS[0])
    while killed < times:
        run = started(scene)
        try:
            code = run.wait(timeout=random.uniform(0.1, 1) * seconds)  # the moment, not a sleep
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            code = run.wait()
            with suppress(ChildProcessError):  # its children are ours now; a killed one still has
                while True:  # its files open for a moment
                    os.waitpid(-run.pid, 0)
            killed += 1
        assert code in (0, -signal.SIGKILL)
        what = f"kill {killed} of seed {seed}"
        try:
            found = scene.in_chain(what, go_on=False)
        except duckdb.IOException as error:
            # DuckDB writes its metadata blocks in place: a kill amid such a write breaks the file.
            assert code and "checksum" in str(error), what
            after[scene.restored(what)] += 1
            scene.put(STEPS[0])
            continue
        after[found] += code != 0
        if code == 0 or random.random() < 0.3:  # else the next run goes on from here
            assert code or found == "new state"
            scene.in_chain("undisturbed at last")
            scene.put(STEPS[0])
    scene.in_chain("undisturbed at last")
    report(
        "A fault at every step", "SIGKILL at random, also of runs that repair", "run_all",
        "(killed)", "-9", ", ".join(sorted(after)), killed,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_200_kills_of_the_chain(scene, report, seed):
    kill_at_random(scene, report, 50, seed)
