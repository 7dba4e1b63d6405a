"""Wrong clocks, leap days, other time zones: the history is that of the files in their order."""

import datetime as dt
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path
from unittest import mock

import pytest
from conftest import CHAIN, Pipeline, catalogue, replace_everywhere, title

from runner import log

ALL = (*CHAIN, "08_build_analytics", "09_publish")
DAY = dt.datetime(2026, 6, 1, 3)
ALWAYS = {"NEWEST_TITLE_DAYS": "36500", "FRESHNESS_DAYS": "36500"}
RATINGS = ("PG", "R", "G", "NR")
# What the clock says, night by night.
CLOCKS = {
    "one day back": [DAY, DAY - dt.timedelta(days=1), DAY - dt.timedelta(hours=1), DAY],
    "ten years ahead for one night": [
        DAY,
        DAY + dt.timedelta(days=3650),
        DAY + dt.timedelta(days=1),
        DAY + dt.timedelta(days=2),
    ],
    "stands still": [DAY, DAY, DAY],
    "leap day": [
        dt.datetime(2028, 2, 28, 23, 59, 59),
        dt.datetime(2028, 2, 29),
        dt.datetime(2028, 2, 29, 23, 59, 59),
        dt.datetime(2028, 3, 1),
    ],
    "new year": [dt.datetime(2026, 12, 31, 23, 59, 59), dt.datetime(2027, 1, 1)],
}


@contextmanager
def clock(now: dt.datetime):
    """All of the pipeline's own ways to ask for the time give this one, a microsecond on each."""
    ticks = (now + dt.timedelta(microseconds=number) for number in count())
    with pytest.MonkeyPatch.context() as patch:
        replace_everywhere(patch, log.utc_now, lambda: next(ticks))
        stamp = now.replace(tzinfo=dt.UTC).timestamp()
        patch.setattr(time, "time", lambda: stamp)
        yield


def night(number: int) -> str:
    """One title more each night; s1 changes, s2 is there in every other night."""
    records = [title(n) for n in range(1, 41 + number)]
    records[0]["rating"] = RATINGS[number]
    return catalogue(*(r for r in records if number % 2 == 0 or r["show_id"] != "s2"))


def expected(nights: int) -> list[tuple]:
    """(title, operation, night, how it ended, in which night) of all versions after so many."""
    found = [(f"s{n}", "insert", max(0, n - 40), None, None) for n in range(3, 40 + nights)]
    for number in range(nights):
        ended = ("update", number + 1) if number + 1 < nights else (None, None)
        found.append(("s1", "update" if number else "insert", number, *ended))
        if number % 2 == 0:
            ended = ("delete", number + 1) if number + 1 < nights else (None, None)
            found.append(("s2", "reappear" if number else "insert", number, *ended))
    return sorted(found, key=repr)


def versions(pipeline: Pipeline) -> list[tuple]:
    """The history with the number of the night in place of the batch, in the order of landing."""
    names = [batch["batch_id"] for batch in pipeline.batches()] + [None]
    rows = pipeline.query(
        "SELECT title_id, operation, batch_id, end_operation, end_batch_id, "
        "valid_from, valid_to FROM analytics_netflix_history"
    )
    times = {b["batch_id"]: dt.datetime.fromisoformat(b["snapshot_at"]) for b in pipeline.batches()}
    times[None] = None
    assert all((times[row[2]], times[row[4]]) == row[5:] for row in rows)
    return sorted(
        (
            (key, op, names.index(batch), end, None if last is None else names.index(last))
            for key, op, batch, end, last, _, _ in rows
        ),
        key=repr,
    )


def published_batch(pipeline: Pipeline) -> str:
    link = (pipeline.root / "data/published/current").readlink()
    return link.name.rpartition("-")[0]


def without_numbers(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text).strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOCKS)
def test_a_wrong_clock_changes_no_order_and_stops_no_night(pipeline, report, name):
    pipeline.settings |= ALWAYS
    said = ""
    for number, now in enumerate(CLOCKS[name][:9]):
        source, newest = pipeline.put(night(number)), pipeline.batches()[-1:]
        with clock(now):
            landed = pipeline.step("02_create_raw_layer", NETFLIX_CSV=source)
            assert landed.returncode == 0, landed.stderr
            done = pipeline.steps(*ALL[1:], NETFLIX_CSV=source)
            assert (done.returncode, done.stderr) == (0, ""), (number, done.args)
            again = pipeline.steps(*ALL, NETFLIX_CSV=source)
            assert (again.returncode, "as before" in again.stdout) == (0, True), again.stderr
        at = dt.datetime.fromisoformat(newest[0]["snapshot_at"]) if newest else dt.datetime.min
        behind = newest and at - now > dt.timedelta(minutes=1)
        assert ("warning: the clock says" in landed.stderr) == bool(behind)
        said = landed.stderr or said
        taken = dt.datetime.fromisoformat(pipeline.batches()[-1]["snapshot_at"])
        assert taken == (now if now > at else at + dt.timedelta(seconds=1))
        assert published_batch(pipeline) == pipeline.batches()[-1]["batch_id"]
    times = [batch["snapshot_at"] for batch in pipeline.batches()]
    assert all(one < other for one, other in pairwise(times))
    assert versions(pipeline) == expected(len(times))
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0
    report("clock", f"clock: {name}", "02 to 09, each night", without_numbers(said) or "nothing", 0,
           "new state, history in the files' order", len(times))  # fmt: skip


@pytest.mark.slow
def test_snapshot_at_in_the_future_stops_and_an_older_one_finds_its_place(pipeline, report):
    pipeline.settings |= ALWAYS
    real = [DAY, DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2)]
    with clock(real[2]):
        for number in (0, 2, 1):  # the second came last
            result = pipeline.steps(
                *ALL[:5], NETFLIX_CSV=pipeline.put(night(number)), SNAPSHOT_AT=str(real[number])
            )
            assert (result.returncode, result.stderr) == (0, ""), number
        late = without_numbers(result.stdout.split("\n")[0])
        assert "history rebuilt from 3 snapshots" in late
        taken = [batch["snapshot_at"] for batch in pipeline.batches()]
        assert taken == [at.isoformat() for at in (real[0], real[2], real[1])]
        rows = pipeline.query(
            "SELECT rating, valid_from FROM analytics_netflix_history "
            "WHERE title_id = 's1' ORDER BY valid_from"
        )
        assert rows == list(zip(RATINGS, real, strict=False))
        assert pipeline.steps(*ALL[5:]).returncode == 0
        ahead = pipeline.step(
            "02_create_raw_layer", NETFLIX_CSV=pipeline.put(night(3)), SNAPSHOT_AT="2036-06-01"
        )
    assert ahead.returncode == 2
    assert "SNAPSHOT_AT is 2036-06-01 00:00:00 UTC" in ahead.stderr
    report("clock", "a file that is older than the newest", "SNAPSHOT_AT", late, 0,
           "new state, history in the order of time")  # fmt: skip
    report("clock", "SNAPSHOT_AT in ten years", "02", without_numbers(ahead.stderr), 2,
           "old state")  # fmt: skip


# Ambiguous and missing local times, the date line, offsets of 45 minutes, and no such zone.
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "Nowhere/At")
MOMENTS = {  # SNAPSHOT_AT -> what it is in UTC
    "2026-03-29T02:30+02:00": "2026-03-29T00:30:00",  # Berlin: that hour is left out
    "2026-03-29T03:30+02:00": "2026-03-29T01:30:00",
    "2026-10-25T02:30+02:00": "2026-10-25T00:30:00",  # Berlin: that hour comes twice
    "2026-10-25T02:30+01:00": "2026-10-25T01:30:00",
}


@contextmanager
def zone(name: str):
    """This process lives in that time zone; the steps are given it, too."""
    with mock.patch.dict("os.environ", {"TZ": name}):
        time.tzset()
        yield
    time.tzset()


@pytest.mark.slow
@pytest.mark.parametrize("name", ZONES)
def test_no_time_zone_is_in_the_history(pipeline, report, name):
    pipeline.settings |= ALWAYS | {"TZ": name}
    with zone(name):
        for number, at in enumerate(MOMENTS):
            done = pipeline.steps(*ALL, NETFLIX_CSV=pipeline.put(night(number)), SNAPSHOT_AT=at)
            assert (done.returncode, done.stderr) == (0, ""), (at, done.args)
    assert [batch["snapshot_at"] for batch in pipeline.batches()] == list(MOMENTS.values())
    assert versions(pipeline) == expected(len(MOMENTS))
    landed = dt.datetime.fromisoformat(pipeline.batches()[-1]["landed_at"])
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    assert abs(now - landed) < dt.timedelta(minutes=10)
    lines = (pipeline.root / "logs/pipeline.log").read_text().splitlines()
    assert abs(dt.datetime.fromisoformat(lines[-1][:19]) - now) < dt.timedelta(minutes=10)
    status = pipeline.process("operations/status")
    assert status.returncode == 0, status.stderr
    assert f"{(now.date() - dt.date(2026, 10, 25)).days} day(s) old" in status.stdout
    apart = pipeline.process("10_rebuild_warehouse", "--verify")
    assert apart.returncode == 0, apart.stderr
    shown = re.sub(r"\d+\.\d+ s", "<time>", apart.stdout.strip().splitlines()[-1])
    report("clock", f"TZ={name}, the hours when clocks are changed", "02 to 09, status, verify",
           " ".join(shown.split()), 0, "new state, history as in UTC", len(MOMENTS))  # fmt: skip


FAKE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += atol(getenv("SHIFT_S"));
    return code;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    int code = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return code;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture
def ten_years_ahead(tmp_path: Path) -> dict[str, str]:
    """The environment of a process for which all clocks of the machine are wrong."""
    compiler, library = shutil.which("cc"), tmp_path / "clock.so"
    if sys.platform != "linux" or not compiler:
        pytest.skip("no C compiler to make another clock with")
    (tmp_path / "clock.c").write_text(FAKE)
    made = [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"]
    subprocess.run(made, check=True)
    environment = {"LD_PRELOAD": str(library), "SHIFT_S": str(3650 * 86400)}
    year = [sys.executable, "-c", "import datetime; print(datetime.date.today().year)"]
    shown = subprocess.run(year, env=environment, capture_output=True, text=True).stdout
    assert int(shown) >= dt.date.today().year + 9
    return environment


@pytest.mark.slow
def test_a_whole_run_under_a_clock_that_is_ten_years_ahead_and_the_next_under_the_right_one(
    pipeline, report, ten_years_ahead
):
    pipeline.settings |= ALWAYS
    for number, extra in enumerate(({}, ten_years_ahead, {}, {})):
        source = pipeline.put(night(number))
        done = pipeline.process("run_all", NETFLIX_CSV=source, **extra)
        assert done.returncode == 0, done.stderr
        assert ("warning: the clock says" in done.stderr) == (number > 1)
        assert published_batch(pipeline) == pipeline.batches()[-1]["batch_id"]
    year = dt.datetime.now(dt.UTC).year
    years = [int(batch["snapshot_at"][:4]) - year for batch in pipeline.batches()]
    assert years[0] == 0 and set(years[1:]) <= {9, 10}
    assert versions(pipeline) == expected(4)
    report("clock", "clock of the machine: ten years ahead for one night", "run_all",
           without_numbers(done.stderr), 0, "new state, history in order", 4)  # fmt: skip
