"""A fault at every SQL statement, file operation and system call of the chain 02 to 09.

After each one the old state or the new one is there, never one between, the person reads a sentence
and no traceback, and the next plain run ends as an undisturbed one does.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator

import duckdb
import pytest
from faults import BROKEN, DEFECT, ENGINE, FULL, HALF, KILLED, Driver
from scene import STEPS, Scene, words

AREA = "A fault at every step"
HOWS = {
    "statement": (KILLED, ENGINE, DEFECT),
    "operation": (KILLED, FULL, BROKEN),
    "call": (KILLED, HALF, FULL, BROKEN),
}
MANY = 12  # above so many points of a step, each gets one of the faults in turn, else all
# The two steps that do one thing for each of 24 tables: each fault at every so many of its points
# only, but for the table of `make reliability`.
STRIDES = (
    {
        ("08_build_analytics", "statement"): 2,
        ("09_publish", "statement"): 3,
        ("09_publish", "call"): 6,
    }
    if "RELIABILITY_RESULTS" not in os.environ
    else {}
)
PLURAL = {"statement": "SQL statements", "operation": "file operations", "call": "system calls"}


@pytest.fixture(scope="module")
def driver(scene: Scene) -> Iterator[Driver]:
    with Driver(scene.shim) as driver:
        yield driver


CASES = [(step, kind, how) for step in STEPS for kind, hows in HOWS.items() for how in hows]


@pytest.mark.slow
@pytest.mark.parametrize(("step", "kind", "how"), CASES)
def test_a_fault_at_every_point(
    scene: Scene, driver: Driver, report: Callable, step: str, kind: str, how: str
) -> None:
    if kind == "call" and not scene.shim:
        pytest.skip("no C compiler for the shim, or no LD_PRELOAD")
    scene.put(step)
    counted = driver.run(step, scene.work.environment, kind)
    assert counted.returncode == 0
    assert counted.events > 4
    hows, points = HOWS[kind], range(1, counted.events + 1)
    turn = hows.index(how)
    if counted.events > MANY:
        points = points[turn :: len(hows)]
    after, codes, seen = Counter(), Counter(), Counter()
    points = points[:: STRIDES.get((step, kind), 1)]
    for at in points:
        scene.put(step)
        trial = driver.run(step, scene.work.environment, kind, how, at)
        what = f"{how} at {kind} {at} {counted.names[at - 1 : at]}"
        assert "Traceback" not in trial.stdout + trial.stderr, (what, trial)
        # A file that cannot be opened is one that does not fit: 40, and only then.
        codes_here = (40,) if counted.names[at - 1 : at] == ["connect"] else ()
        assert trial.returncode in (0, 1, 2, 20, 30, -9, *codes_here), (what, trial)
        assert trial.returncode or not trial.stderr.count("stopped"), (what, trial)
        if trial.returncode > 0:
            assert trial.stderr.strip(), what
        try:
            after[scene.old_or_new(step, trial)] += 1
        except AssertionError as error:
            raise AssertionError(what) from error
        except duckdb.IOException as error:
            # DuckDB writes its metadata blocks in place: half of such a write is a broken file.
            assert how == HALF, what
            assert "checksum" in str(error), what
            after[scene.restored(trial)] += 1
        codes[trial.returncode] += 1
        seen[words(trial) if trial.returncode > 0 else "(killed)"] += trial.returncode != 0
    assert after
    report(
        AREA,
        f"{how}, at {PLURAL[kind]}",
        f"{step}, {'each' if points.step == 1 else f'one in {points.step}'} of {counted.events}",
        seen.most_common(1)[0][0],
        ", ".join(map(str, sorted(codes))),
        ", ".join(sorted(after)),
        after.total(),
    )
