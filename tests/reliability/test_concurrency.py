"""A run, a rebuild, an audit and readers at the same time: only one works, the others say so."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from conftest import CHAIN, NUMBERED, PROJECT, RECORDS, Pipeline, catalogue, title
from readers import holding, reading

AREA = "at the same time"
ALL = (*CHAIN, "08_build_analytics", "09_publish")
VARIES = (  # times, the folder's path, and the names of files
    f"{RECORDS} {NUMBERED} ops_schema_changes ops_metrics raw_netflix_titles "
    "contract_netflix_titles"
)
SETTINGS = {
    "NEWEST_TITLE_DAYS": "36500",
    "FRESHNESS_DAYS": "36500",
    "SNAPSHOT_AT": "2026-01-02",
}
READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reads")
count = lambda: con.execute("SELECT count(*) FROM analytics_netflix_current").fetchone()[0]
print(count(), flush=True)
for line in sys.stdin:
    print(count(), flush=True)
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, dict, dict]:
    """One night is in, the next file waits; and the content before and after it."""
    pipeline = Pipeline(tmp_path_factory.mktemp("prepared"), dict(SETTINGS))
    first = pipeline.put(catalogue(*(title(n) for n in range(1, 41))), "first.csv")
    done = pipeline.steps(*ALL, NETFLIX_CSV=first, SNAPSHOT_AT="2026-01-01")
    assert done.returncode == 0, done.stderr
    pipeline.put(catalogue(*(title(n, rating="R") for n in range(2, 43))))
    after = Pipeline(tmp_path_factory.mktemp("undisturbed"), dict(SETTINGS)).copy_of(pipeline)
    done = after.steps(*ALL, NETFLIX_CSV=str(after.root / "catalogue.csv"))
    assert done.returncode == 0, done.stderr
    return pipeline, pipeline.tables(VARIES), after.tables(VARIES)


@pytest.fixture
def pipeline(tmp_path: Path, prepared) -> Pipeline:
    return copied(prepared[0], tmp_path)


def copied(prepared: Pipeline, root: Path) -> Pipeline:
    """A copy; its raw view names the snapshot by its new path, as after moving a folder."""
    copy = Pipeline(root, SETTINGS | {"NETFLIX_CSV": str(root / "catalogue.csv")})
    assert copy.copy_of(prepared).step("03_load_raw_to_duckdb").returncode == 0
    return copy


def sees(text: str) -> str:
    """What a step printed of its end, without what differs from run to run."""
    text = re.sub(r"(/[^\s:(),]+)+/", "", text.strip().split("\n")[-1])
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text)
    return " ".join(re.sub(r"\b(PID|pid) \d+", r"\1 <n>", text).split())


def started(pipeline: Pipeline, name: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "python" / f"{name}.py"), *arguments],
        env=pipeline.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_held(lock: Path) -> bool:
    with open(lock) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def halted(pipeline: Pipeline, *command: str, after_s: float = 0.0):
    """A program that has the lock, stopped so many seconds later; it goes on afterwards."""
    one = started(pipeline, *command)
    lock = pipeline.root / "dw.db.lock"
    try:
        while f"pid {one.pid} " not in lock.read_text():
            assert one.poll() is None, one.communicate()
            time.sleep(0.002)
        time.sleep(after_s)  # a moment at random, not a wait for something
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, one.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        yield one
    finally:
        os.killpg(one.pid, signal.SIGCONT) if one.poll() is None else None
        one.said = one.communicate(timeout=300)


OTHERS = (
    *((name,) for name in ALL),
    ("run_all",),
    ("10_rebuild_warehouse",),
    ("10_rebuild_warehouse", "--verify"),
)


def others_are_turned_away(pipeline: Pipeline, holder: int) -> Counter:
    """Each other program says who is at work and exits 75; those that only read may read."""
    found = Counter()
    for name, *arguments in OTHERS:
        done = pipeline.step(name, *arguments)
        assert (done.returncode, done.stdout) == (75, ""), (name, done)
        assert f"(pid {holder} since" in done.stderr and "nothing was changed" in done.stderr
        found[sees(done.stderr).partition(" ")[2]] += 1
    quiet = pipeline.process("07_monitor_pipeline", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    for name, *arguments in (("operations/status",), ("11_explain_title", "s2")):
        done = pipeline.step(name, *arguments)
        assert done.returncode in (0, 75) and "Traceback" not in done.stderr, done
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "moments"),
    [
        (("10_rebuild_warehouse",), [0.0, 0.05, 0.1, 0.15, 0.2]),
        (("run_all",), [0.0, 0.7, 1.4, 2.1, 2.8]),
    ],
)
def test_during_a_run_or_a_rebuild_all_others_are_turned_away(
    pipeline, prepared, report, command, moments
):
    _, before, after = prepared
    found, tried = Counter(), 0
    for moment in moments:
        with halted(pipeline, *command, after_s=moment * Random(moment).uniform(0.8, 1.2)) as one:
            if is_held(pipeline.root / "dw.db.lock"):
                found += others_are_turned_away(pipeline, one.pid)
                tried += 1
        assert one.returncode == 0, one.said
        expected = before if command[0].startswith("10") else after
        assert {t: pipeline.tables(VARIES)[t] for t in HISTORY} == {t: expected[t] for t in HISTORY}
    assert tried
    assert pipeline.steps(*ALL).returncode == 0
    assert pipeline.tables(VARIES) == after
    text = found.most_common(1)[0][0]
    report(AREA, "02 to 10, another chain", f"during {command[0]}", text, 75,
           "unchanged by them", found.total())  # fmt: skip


HISTORY = ("analytics_netflix_history", "analytics_netflix_current", "cdc_netflix_changes")


def two_chains_at_once(pipeline: Pipeline, number: int) -> str:
    """Start two chains: one works, the other says so. Return what the second one says.

    `number` is how many times came before.
    """
    titles = [title(n) for n in range(40 + number)]
    settings = {"NETFLIX_CSV": pipeline.put(catalogue(*titles)), "PUBLISH_KEEP": "3"}
    environment = pipeline.environment | settings
    command = [sys.executable, str(PROJECT / "python/run_all.py")]
    start = time.perf_counter()
    both = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    took = {}
    while len(took) < 2:
        for at, one in enumerate(both):
            if at not in took and one.poll() is not None:
                took[at] = time.perf_counter() - start
        time.sleep(0.005)
    said = [one.communicate()[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 75], said
    loser = next(at for at, one in enumerate(both) if one.returncode == 75)
    assert "another run is working on" in said[loser] and "pid" in said[loser]
    assert took[loser] < took[1 - loser]
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current")[0][0] == 40 + number
    assert pipeline.query("SELECT count(*) FROM ops_merges")[0][0] == number + 1
    return said[loser]


@pytest.mark.slow
def test_only_one_of_two_chains_runs_and_readers_see_whole_versions(tmp_path, report):
    pipeline, times = Pipeline(tmp_path), 50
    two_chains_at_once(pipeline, 0)
    place = pipeline.root / "data/published"
    with holding(place) as held, reading(place) as seen:
        for number in range(1, times + 1):
            said = two_chains_at_once(pipeline, number)
            assert held() == 40
    assert set(seen) <= set(range(40, 41 + times)) and len(set(seen)) > times // 2
    with open(pipeline.root / "dw.db.lock", "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for name in ("run_all", "06_merge_cdc"):
            assert pipeline.process(name).returncode == 75
    report(AREA, "two chains", "started together, readers next to them", sees(said), "0, 75",
           "new state, of one run", times)  # fmt: skip


@contextmanager
def connection(pipeline: Pipeline, how: str):
    """Another program that has netflix_dw.db open; gives a function that asks it."""
    other = subprocess.Popen(
        [sys.executable, "-c", READER, str(pipeline.root / "dw.db"), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> int:
        other.stdin.write("\n")
        other.stdin.flush()
        return int(other.stdout.readline())

    try:
        assert int(other.stdout.readline()) == 40
        yield ask
    finally:
        other.communicate("")


@pytest.mark.slow
def test_a_reader_who_stays_stops_each_step_with_a_sentence(
    pipeline, prepared, report, monkeypatch
):
    monkeypatch.setattr("warehouse.database.READER_WAIT_S", 0.1)
    _, before, after = prepared
    with connection(pipeline, "reads") as ask:
        said = {}
        for name in (*ALL, "run_all"):
            done = pipeline.step(name) if name != "run_all" else pipeline.process(name)
            assert (done.returncode, done.stdout) == (75, ""), done
            assert "dw.db is open in another program" in done.stderr
            assert "nothing was written to it. Close it there" in done.stderr
            assert ask() == 40
            said[name] = done.stderr
        assert len(pipeline.batches()) == 2  # landed; the warehouse is as it was
        assert pipeline.tables(VARIES) == before
    assert pipeline.steps(*ALL).returncode == 0
    assert pipeline.tables(VARIES) == after
    report(AREA, "a reader has netflix_dw.db open", "02 to 09, run_all", sees(said["06_merge_cdc"]),
           75, "old state, the file landed", len(said))  # fmt: skip


@pytest.mark.slow
def test_a_rebuild_leaves_a_reader_its_file_and_never_works_past_a_writer(
    pipeline, prepared, report, monkeypatch
):
    monkeypatch.setattr("warehouse.database.READER_WAIT_S", 0.1)
    _, before, after = prepared
    place = pipeline.root / "dw.db"
    with connection(pipeline, "writes") as ask:
        for arguments in ((), ("--verify",)):
            done = pipeline.step("10_rebuild_warehouse", *arguments)
            assert done.returncode == 75, done
            assert "dw.db is open in another program" in done.stderr
        inode = place.stat().st_ino
        assert ask() == 40
    report(AREA, "a program writes to netflix_dw.db", "rebuild, verify", sees(done.stderr), 75,
           "unchanged", 2)  # fmt: skip
    assert place.stat().st_ino == inode
    assert pipeline.tables(VARIES) == before
    with connection(pipeline, "reads") as ask:
        again = pipeline.step("10_rebuild_warehouse")
        assert again.returncode == 0, again.stderr
        assert ask() == 40
    assert place.stat().st_ino != inode
    assert {name: pipeline.tables()[name] for name in HISTORY} == {n: before[n] for n in HISTORY}
    assert pipeline.steps(*ALL).returncode == 0
    assert pipeline.tables(VARIES) == after
    shown = re.sub(r"\d+\.\d\d s", "<time>", sees(again.stdout))
    report(AREA, "a reader has netflix_dw.db open", "rebuild", shown, 0,
           "old state, swapped in; the reader keeps its file")  # fmt: skip


@pytest.mark.slow
def test_a_reader_of_the_published_copy_never_sees_an_error(pipeline, prepared, report):
    with reading(pipeline.root / "data/published") as seen:
        for night in range(3, 6):
            text = catalogue(*(title(n) for n in range(1, 40 + night)))
            done = pipeline.process(
                "run_all",
                NETFLIX_CSV=pipeline.put(text),
                SNAPSHOT_AT=f"2026-01-0{night}",
                PUBLISH_KEEP="1",
            )
            assert done.returncode == 0, done.stderr
            assert pipeline.step("10_rebuild_warehouse").returncode == 0
            assert pipeline.steps(*ALL[1:]).returncode == 0
    assert len(seen) > 20 and (min(seen), max(seen)) == (40, 44)
    report(AREA, "a reader of data/published/netflix.duckdb", "run_all, rebuild, 07 to 09",
           "nothing", 0, "each time the old state or the new state", len(seen))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair",
    [
        ("run_all", "10_rebuild_warehouse"),
        ("run_all", "07_monitor_pipeline"),
        ("10_rebuild_warehouse", "07_monitor_pipeline"),
    ],
)
def test_two_programs_started_at_any_moments_leave_what_one_would(
    pipeline, prepared, report, pair, tmp_path_factory
):
    _, before, after = prepared
    random, codes, said = Random(str(pair)), Counter(), ""
    for number in range(4):
        place = copied(prepared[0], tmp_path_factory.mktemp(f"pair{number}"))
        both = []
        for name in random.sample(pair, 2):
            both.append(started(place, name))
            time.sleep(random.uniform(0, 0.8))  # the moment to try, not a wait for something
        texts = [one.communicate(timeout=300)[1] for one in both]
        assert {one.returncode for one in both} <= {0, 75}, texts
        assert 0 in [one.returncode for one in both]
        codes.update(one.returncode for one in both)
        said = next((text for text in texts if text), said)
        assert place.tables(VARIES)["analytics_netflix_history"] in (
            before["analytics_netflix_history"],
            after["analytics_netflix_history"],
        )
        assert place.steps(*ALL).returncode == 0
        assert place.tables(VARIES) == after
    report(AREA, f"{pair[0]} and {pair[1]}", "started at random moments", sees(said) or "nothing",
           ", ".join(map(str, sorted(codes))), "old state or new state", 4)  # fmt: skip
