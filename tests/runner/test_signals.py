"""Ctrl-C, SIGTERM and SIGHUP at any moment: over in seconds, the true message, the next run sound.

The moment is drawn behind the line in which a step says that it started. A signal goes to the
chain's parent alone, or to its group, as a terminal and systemd send it.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from conftest import CHAIN, CHAIN_OF, NUMBERED, RECORDS, Pipeline
from titles import catalogue, title

from ingest.source_file import SourceFile, open_source
from runner import signals

STEPS = ("raw", "load", "schema", "staging", "merge", "monitor", "analytics", "publish")
VARIES = (
    f"{RECORDS} {NUMBERED} ops_schema_changes ops_metrics raw_netflix_titles "
    "contract_netflix_titles"
)
SETTINGS = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500", "SNAPSHOT_AT": "2026-01-01"}
KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OVER_S = 5
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored, by children, too
ALL = (*CHAIN, "08_build_analytics", "09_publish")
# A step that is in a statement of DuckDB, or hung up in something else, when the signal comes.
BUSY = "step.con.execute('SELECT count(*) FROM range(1000000000000) AS a(b) WHERE b % 7 = 3')"
DEAF = "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,)); time.sleep(60)"
STEP = """
import signal, sys, time
from runner.step import run_step

def run(step):
    step.con.execute("CREATE TABLE half_done (a INTEGER)")
    step.event("busy")
    {}

sys.exit(run_step("demo", run))
"""
# Starts the chain again and again, from a process that has loaded what it needs: in a third of the
# time.
CHAINS = """
import os, signal, sys
import run_all
from importlib import import_module
for name in run_all.LOADED_ONCE:
    import_module(name)
signal.signal(signal.SIGINT, signal.SIG_DFL)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.dup2(os.open(line.strip(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os._exit(run_all.main())
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@contextmanager
def program(pipeline: Pipeline, *arguments: str) -> Iterator[subprocess.Popen]:
    """A program in a session of its own, which a test that fails does not leave behind."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        env=pipeline.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in a job of cron, too
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_line(pipeline: Pipeline, words: str, seen: int, is_over: Callable[[], bool]) -> None:
    """Wait until a new line with these words is in the log, or the process is over."""
    log = pipeline.root / "logs" / "pipeline.log"
    while not is_over():
        if log.exists() and words in log.read_text()[seen:]:
            return
        time.sleep(0.002)


def count_log(pipeline: Pipeline) -> int:
    log = pipeline.root / "logs" / "pipeline.log"
    return len(log.read_text()) if log.exists() else 0


def send(pid: int, kind: signal.Signals, group: bool) -> None:
    (os.killpg if group else os.kill)(pid, kind)


def assert_nothing_is_left(pipeline: Pipeline, pid: int) -> None:
    deadline = time.monotonic() + OVER_S  # whoever adopts what is dead takes a moment to say so
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(pid, 0)
            time.sleep(0.01)
    for lock in pipeline.root.rglob("*.lock"):
        with open(lock, "a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def interrupt(
    pipeline: Pipeline, process: subprocess.Popen, kind: signal.Signals, group: bool = False
) -> tuple[int, str]:
    """Send the signal, once the step is busy; its exit code and stderr."""
    wait_for_line(pipeline, "busy", 0, lambda: process.poll() is not None)
    time.sleep(0.1)
    started = time.monotonic()
    send(process.pid, kind, group)
    err = process.communicate(timeout=2 * OVER_S)[1]
    assert time.monotonic() - started < OVER_S
    assert_nothing_is_left(pipeline, process.pid)
    return process.returncode, err


def assert_says_interrupted(
    pipeline: Pipeline, name: str, kind: signal.Signals, code: int, err: str, seen: int
) -> None:
    """One line on the terminal; no word of a damaged file or a crash there or in the log."""
    text = f"{name:<9} interrupted by {kind.name}; run it again: it goes on where it stopped\n"
    assert (code, err) == (128 + kind, text)
    log = (pipeline.root / "logs" / "pipeline.log").read_text()[seen:]
    assert not any(word in log for word in ("crashed", "damaged", "Traceback"))


def signal_chains(pipeline: Pipeline, kind: signal.Signals, random: Random, tries: int) -> int:
    """Interrupt one run after the other, each in another step; how many were interrupted."""
    hits, said = 0, pipeline.root / "said"
    with program(pipeline, "-c", CHAINS) as chains:
        for number in range(tries):
            seen, name = count_log(pipeline), STEPS[number % len(STEPS)]
            chains.stdin.write(f"{said}\n")
            chains.stdin.flush()
            pid = int(chains.stdout.readline())
            has_ended = lambda: bool(select.select([chains.stdout], [], [], 0)[0])  # noqa: E731
            wait_for_line(pipeline, f" {name} run=", seen, has_ended)
            time.sleep(random.random() * random.choice((0.02, 0.2)))  # the moment
            started = time.monotonic()
            with suppress(ProcessLookupError):
                send(pid, kind, group=bool(number // 2 % 2))
            if code := int(chains.stdout.readline()):  # else it was over
                assert time.monotonic() - started < OVER_S
                assert_nothing_is_left(pipeline, pid)
                assert_says_interrupted(pipeline, "run-all", kind, code, said.read_text(), seen)
                hits += 1
    return hits


def titles_file(pipeline: Pipeline, rows: int) -> None:
    text = catalogue(*map(title, range(1, rows)))
    pipeline.settings |= {**SETTINGS, "NETFLIX_CSV": pipeline.put(text)}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    pipeline = Pipeline(tmp_path_factory.mktemp("undisturbed"))
    titles_file(pipeline, 40)
    assert pipeline.steps(*ALL).returncode == 0
    return pipeline.tables(VARIES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_8_signals_one_in_each_step_and_the_next_run_is_sound(pipeline, undisturbed, kind):
    titles_file(pipeline, 40)
    assert signal_chains(pipeline, kind, Random(kind), 8) > 4
    assert pipeline.steps(*ALL).returncode == 0
    assert pipeline.tables(VARIES) == undisturbed
    left = [path.name for path in pipeline.root.rglob("*") if ".tmp" in path.name]
    assert left == [] and not (pipeline.root / "data/raw/.landing").exists()


@pytest.mark.parametrize("how", ["alone", "parent", "group"])
def test_a_signal_during_a_duckdb_statement_ends_the_step(pipeline, how):
    kind = KINDS[len(how) % 3]
    script = pipeline.root / "02_demo.py"
    script.write_text(STEP.format(BUSY))
    titles_file(pipeline, 2)
    command = [str(script)] if how == "alone" else ["-c", CHAIN_OF, str(script)]
    with program(pipeline, *command) as step:
        code, err = interrupt(pipeline, step, kind, group=how == "group")
    name = "demo" if how == "alone" else "run-all"
    assert_says_interrupted(pipeline, name, kind, code, err, 0)
    log = (pipeline.root / "logs" / "pipeline.log").read_text()
    assert "ERROR   demo" in log and "failed" in log and "interrupted by SIG" in log
    assert pipeline.steps(*CHAIN[:2]).returncode == 0
    assert pipeline.query("FROM duckdb_tables() SELECT table_name").count(("half_done",)) == 0


def test_a_step_that_does_not_end_is_killed(pipeline):
    script = pipeline.root / "02_demo.py"
    script.write_text(STEP.format(DEAF))
    titles_file(pipeline, 2)
    with program(pipeline, "-c", CHAIN_OF, str(script)) as chain:
        code, err = interrupt(pipeline, chain, signal.SIGTERM)
    assert_says_interrupted(pipeline, "run-all", signal.SIGTERM, code, err, 0)


def test_an_ignored_signal_stays_ignored_and_a_reader_who_waits_holds_up_nothing(pipeline):
    """As `nohup make run-all`; and as `make run-all | less` at its first page."""
    script = pipeline.root / "demo.py"
    script.write_text(STEP.format("sys.stdout.write('x' * 10_000_000)"))
    ignoring = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    ignoring += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    with program(pipeline, "-c", ignoring, str(script)) as step:
        wait_for_line(pipeline, "busy", 0, lambda: step.poll() is not None)
        os.kill(step.pid, signal.SIGHUP)
        time.sleep(0.1)
        assert step.poll() is None
        os.kill(step.pid, signal.SIGTERM)
        assert step.wait(timeout=OVER_S) == 128 + signal.SIGTERM


def test_an_interrupted_cron_job_says_so_in_its_mail(pipeline):
    script = pipeline.root / "02_demo.py"
    script.write_text(STEP.format(BUSY))
    titles_file(pipeline, 2)
    quiet = CHAIN_OF.replace("main()", "main(quiet=True)")
    with program(pipeline, "-c", quiet, str(script)) as chain:
        code, err = interrupt(pipeline, chain, signal.SIGTERM)
    assert_says_interrupted(pipeline, "run-all", signal.SIGTERM, code, err, 0)
    assert (pipeline.root / "logs" / "cron.log").read_text() == err


def test_a_scratch_folder_is_removed_with_its_process(pipeline):
    script = (
        "import sys, time; from runner import signals; signals.watch('plan')\n"
        "with signals.scratch_folder('scratch-', sys.argv[1]) as folder:\n"
        "    (folder / 'copy').write_text('x'); print('there', flush=True)\n"
        "    signals.call(['sleep', '60'])"
    )
    with program(pipeline, "-c", script, str(pipeline.root)) as plan:
        assert plan.stdout.readline() == "there\n"
        time.sleep(0.1)
        send(plan.pid, signal.SIGHUP, group=False)
        code, err = plan.wait(OVER_S), plan.stderr.read()
    assert (code, err) == (129, "plan      interrupted by SIGHUP\n")
    assert list(pipeline.root.iterdir()) == []


def test_an_error_unrelated_to_the_file_does_not_blame_it(pipeline):
    """As where no thread can be started: zlib and zipfile raise RuntimeError, too."""
    file = SourceFile(Path(pipeline.put("show_id,title\n")), "a.csv")
    with pytest.raises(RuntimeError, match="no thread"), open_source(file, 1000):
        raise RuntimeError("no thread")


def test_a_child_is_killed_after_its_time_limit_and_its_end_reported():
    ends = []
    for script, seconds in (("pass", 9), ("1 / 0", None), ("time.sleep(9)", 0.1)):
        pid = signals.fork()
        if not pid:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                exec(script)
                os._exit(0)
            finally:
                os._exit(1)
        ends.append(signals.wait(pid, seconds))
    assert ends == [0, 1, -signal.SIGKILL] and not signals.children


def test_a_child_ends_when_its_check_fails_for_any_reason():
    def check(_: float) -> None:
        raise OSError("no such file")

    begun = time.monotonic()
    with pytest.raises(OSError, match="no such file"):
        signals.run_in_child(lambda _: time.sleep(9), check)
    assert time.monotonic() - begun < 5 and not signals.children


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(("rows", "tries"), [(40, 88), (100_000, 12)])
def test_300_signals(pipeline, kind, rows, tries):
    """Of 100,000 rows the steps are long; fewer tries, each within one."""
    titles_file(pipeline, rows)
    other = Pipeline(pipeline.root / "other", pipeline.settings)
    assert other.process("run_all").returncode == 0
    for seed in range(0, tries, 8):
        for path in ("data", "logs", "dw.db", "dw.db.wal", "dw.db.staging"):
            subprocess.run(["rm", "-rf", str(pipeline.root / path)], check=True)
        signal_chains(pipeline, kind, Random(seed), min(8, tries - seed))
        assert pipeline.process("run_all").returncode == 0
        assert pipeline.tables(VARIES) == other.tables(VARIES)
