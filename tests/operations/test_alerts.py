"""Who is told what, and when: state changes, receivers that fail, the heartbeat, the chain."""

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import PROJECT, catalogue, slow, title

from config import load_settings
from operations import alerts

TITLES = [title(number) for number in range(1, 41)]
MONITOR = "07_monitor_pipeline"


class Receiver:
    """A web service that keeps what it answered well; `mood` says how it answers."""

    def __init__(self):
        self.bodies, self.paths, self.mood = [], [], "well"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mood == "hangs":
                    outer.stop.wait(60)
                    return
                self.send_response(500 if outer.mood == "500" else 200)
                self.end_headers()
                if outer.mood == "well":
                    outer.bodies.append(json.loads(body))

            def do_GET(self):
                outer.paths.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                return

        self.stop = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.port = self.http.server_port
        self.url = f"json://user:s3cr3t@127.0.0.1:{self.port}/hook"

    @property
    def titles(self) -> list[str]:
        return [body["title"].removeprefix("netflix-elt-pipeline: ") for body in self.bodies]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop.set()
    receiver.http.shutdown()
    receiver.http.server_close()


def run_all(pipeline, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
    """The whole chain, as make calls it."""
    return pipeline.process("run_all", *arguments, **settings)


def spooled(pipeline) -> list:
    return sorted((pipeline.root / "data/alerts/spool").glob("*.json"))


def nothing_tells(pipeline, secret: str = "s3cr3t") -> None:
    for path in pipeline.root.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def break_and_repair(pipeline):
    """Two statements: one that a check fails for, one that undoes it.

    Without a record of the last audit the next one looks at everything, though nothing was merged.
    """
    import duckdb

    def execute(sql: str) -> None:
        with duckdb.connect(str(pipeline.root / "dw.db")) as con:
            con.execute(f"{sql}; DROP TABLE audit_record")

    return (
        lambda: execute("UPDATE analytics_netflix_history SET type = 'Game' WHERE show_id = 's1'"),
        lambda: execute("UPDATE analytics_netflix_history SET type = 'Movie' WHERE show_id = 's1'"),
    )


@pytest.mark.slow
def test_a_failed_audit_is_reported_once_and_its_recovery_once(pipeline, receiver):
    good = {"NETFLIX_CSV": pipeline.put(catalogue(*TITLES)), "NEWEST_TITLE_DAYS": "36500"}
    told = {"ALERT_URLS": receiver.url, **good}
    done = run_all(pipeline, **told)
    assert (done.returncode, done.stderr, receiver.bodies) == (0, "", [])
    page = pipeline.root / "data/published/dashboard.html"
    assert done.stdout.splitlines()[-1] == f"page      {page}" and page.exists()

    spoil, repair = break_and_repair(pipeline)
    spoil()
    for _ in range(2):
        failed = run_all(pipeline, **told)
        assert failed.returncode == 30, failed.stderr
        assert "accepted_types" in failed.stderr
    assert receiver.titles == ["FAILED"]
    message = receiver.bodies[0]["message"]
    for part in ("accepted_types, 1 row(s)", "title=Title 1", "readers keep", "make monitor"):
        assert part in message
    assert pipeline.step(MONITOR, **told).returncode == 30  # alone: the same, so no news
    repair()
    for _ in range(2):
        assert run_all(pipeline, **told).returncode == 0
    assert receiver.titles == ["FAILED", "recovered"]
    nothing_tells(pipeline)


@pytest.mark.slow
def test_a_refused_file_is_reported_with_its_cause_and_a_good_audit_is_no_recovery(
    pipeline, receiver
):
    told = {"ALERT_URLS": receiver.url, "NEWEST_TITLE_DAYS": "36500"}
    good = pipeline.put(catalogue(*TITLES))
    assert run_all(pipeline, NETFLIX_CSV=good, **told).returncode == 0
    bad = pipeline.put("<html><title>503</title></html>", "bad.csv")
    assert run_all(pipeline, NETFLIX_CSV=bad, **told).returncode == 20
    assert receiver.titles == ["FAILED"]
    assert "bad.csv is an HTML or XML page ('503')" in receiver.bodies[0]["message"]
    assert pipeline.step(MONITOR, **told).returncode == 0
    assert receiver.titles == ["FAILED"]
    assert run_all(pipeline, NETFLIX_CSV=good, **told).returncode == 0
    assert receiver.titles == ["FAILED", "recovered"]


@pytest.mark.slow
def test_a_lasting_failure_is_reported_again_after_a_day(pipeline, receiver):
    told = {"ALERT_URLS": receiver.url, "NETFLIX_CSV": str(pipeline.root / "none.csv")}
    state = pipeline.root / "data/alerts/state.json"
    for hours in (0, 23, 24, 1):
        if hours:
            content = json.loads(state.read_text())
            then = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours)
            state.write_text(json.dumps(content | {"told_at": then.isoformat()}))
        assert run_all(pipeline, **told).returncode == 20
    assert receiver.titles == ["FAILED", "still failing"]


@pytest.mark.parametrize(
    "change",
    [
        {"told_at": "2026-1q"},
        {"told_at": "2026-01-01T00:00:00+02:00"},
        {"told": [["a"]]},
        {"run": {"run": 1}},
        {"audit": "x"},
    ],
    ids=lambda change: "".join(change),
)
def test_a_damaged_state_is_reported_and_silences_nothing(pipeline, monkeypatch, capsys, change):
    """What is wrong is told once more, and then no more."""
    settings = load_settings({**pipeline.environment, "ALERT_URLS": "json://127.0.0.1:1/x"})
    monkeypatch.setattr(alerts, "send_spooled", lambda settings: None)
    alerts.save_run_state(settings, "a step failed")
    path = pipeline.root / "data/alerts/state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    alerts.save_run_state(settings, "a step failed")
    assert "state.json was damaged" in capsys.readouterr().err
    for _ in range(2):
        alerts.notify_on_change(settings, 1)
    [message] = alerts.list_spooled(settings)
    assert alerts.read_message(message)["title"] == "netflix-elt-pipeline: FAILED"


@pytest.mark.parametrize("text", [b"", b"\xff{", b"[]", b"{}", b'{"title": 1, "body": 2}'])
def test_a_damaged_message_does_not_keep_the_others_waiting(tmp_path, text):
    """It is sent as what it is."""
    path = tmp_path / "20260101T000000-00-0123456789abcdef.json"
    path.write_bytes(text)
    message = alerts.read_message(path)
    assert message["title"] == "netflix-elt-pipeline: a message was damaged"
    assert path.name in message["body"]


@pytest.mark.slow
def test_a_warning_is_reported_once(pipeline, receiver):
    odd = [*TITLES, title(99, rating="XYZ")]
    told = {"ALERT_URLS": receiver.url, "NEWEST_TITLE_DAYS": "36500"}
    for _ in range(2):
        assert run_all(pipeline, NETFLIX_CSV=pipeline.put(catalogue(*odd)), **told).returncode == 0
    assert receiver.titles == ["warning"]
    assert "rating=XYZ" in receiver.bodies[0]["message"]


@pytest.mark.parametrize(
    "mood",
    [
        "refuses",
        *slow("500", "hangs", "no such host"),
    ],
)
def test_a_failing_receiver_costs_seconds_and_gets_the_alert_later_once(pipeline, receiver, mood):
    source = {"NETFLIX_CSV": str(pipeline.root / "none.csv")}
    start = time.perf_counter()
    assert run_all(pipeline, **source).returncode == 20  # the first tells nobody
    alone = time.perf_counter() - start
    (pipeline.root / "data/alerts/state.json").unlink()
    urls = {
        "refuses": "json://127.0.0.1:1/x?s3cr3t",
        "no such host": "json://nowhere.invalid/s3cr3t",
    }
    receiver.mood = mood
    url = urls.get(mood, receiver.url)
    start = time.perf_counter()
    assert run_all(pipeline, ALERT_URLS=url, **source).returncode == 20
    assert time.perf_counter() - start - alone < 10
    assert (len(spooled(pipeline)), receiver.bodies) == (1, [])
    log = (pipeline.root / "logs/pipeline.log").read_text()
    assert "alerts_wait messages=1 sent=0" in log
    nothing_tells(pipeline)
    if mood in urls:  # the address is for good; the message is for it alone
        assert run_all(pipeline, ALERT_URLS=receiver.url, **source).returncode == 20
        assert spooled(pipeline) == []
        return
    receiver.mood = "well"
    for _ in range(2):
        assert run_all(pipeline, ALERT_URLS=receiver.url, **source).returncode == 20
    assert (receiver.titles, spooled(pipeline)) == (["FAILED"], [])


@pytest.mark.slow
def test_one_dead_receiver_does_not_stop_the_others(pipeline, receiver):
    urls = f"json://127.0.0.1:1/x {receiver.url}"
    for _ in range(2):
        run_all(pipeline, ALERT_URLS=urls, NETFLIX_CSV=str(pipeline.root / "none.csv"))
    assert (receiver.titles, len(spooled(pipeline))) == (["FAILED"], 1)


@pytest.mark.slow
def test_the_heartbeat_gets_start_success_and_failure(pipeline, receiver):
    good = pipeline.put(catalogue(*TITLES))
    beat = {"HEARTBEAT_URL": f"http://127.0.0.1:{receiver.port}/beat/s3cr3t"}
    assert run_all(pipeline, NETFLIX_CSV=good, **beat).returncode == 0
    assert run_all(pipeline, NETFLIX_CSV="none.csv", **beat).returncode == 20
    base = "/beat/s3cr3t"
    assert receiver.paths == [f"{base}/start", base, f"{base}/start", f"{base}/fail"]
    dead = {"HEARTBEAT_URL": "http://127.0.0.1:1/s3cr3t"}
    assert run_all(pipeline, NETFLIX_CSV=good, **dead).returncode == 0
    assert "heartbeat_failed ending=/start" in (pipeline.root / "logs/pipeline.log").read_text()
    nothing_tells(pipeline)


def test_work_with_a_time_limit_is_silent_outlives_ctrl_c_and_never_hangs():
    script = (
        "import os, signal, sys, time; sys.path.insert(0, sys.argv[1] + '/python')\n"
        "from operations.alerts import run_with_timeout\n"
        "def quote():\n"
        "    print('s3cr3t')\n"
        "    raise ValueError('s3cr3t')\n"
        "interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "hang = lambda: time.sleep(60)\n"
        "print([run_with_timeout(*it) for it in ((9, interrupt), (9, quote), (0.2, hang))])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(PROJECT)], capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "[True, False, False]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "garbage", "folder"])
def test_the_audit_alone_reports_that_the_warehouse_is_gone(pipeline, receiver, damage):
    told = {"ALERT_URLS": receiver.url, "NETFLIX_CSV": pipeline.put(catalogue(*TITLES))}
    told["NEWEST_TITLE_DAYS"] = "36500"
    assert run_all(pipeline, **told).returncode == 0
    warehouse = pipeline.root / "dw.db"
    warehouse.rename(pipeline.root / "away.db")
    if damage == "garbage":
        warehouse.write_bytes(b"not a database" * 1000)
    if damage == "folder":
        warehouse.mkdir()
    before = warehouse.read_bytes() if warehouse.is_file() else None
    failed = pipeline.process(MONITOR, **told)
    assert failed.returncode == (2 if damage == "missing" else 40)
    assert "make rebuild" in failed.stderr
    assert (warehouse.read_bytes() if warehouse.is_file() else None) == before
    assert receiver.titles == ["FAILED"]
    if warehouse.is_dir():
        warehouse.rmdir()
    (pipeline.root / "away.db").rename(warehouse)
    assert pipeline.process(MONITOR, **told).returncode == 0
    assert receiver.titles == ["FAILED", "recovered"]


@pytest.mark.slow
def test_the_audit_alone_reports_that_no_run_came(pipeline, receiver):
    import duckdb

    told = {"ALERT_URLS": receiver.url, "NETFLIX_CSV": pipeline.put(catalogue(*TITLES))}
    told["NEWEST_TITLE_DAYS"] = "36500"
    assert run_all(pipeline, **told).returncode == 0
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE ops_runs SET finished_at = finished_at - INTERVAL 37 HOUR")
    failed = pipeline.process(MONITOR, **told)
    assert (failed.returncode, "run_is_fresh" in failed.stderr) == (30, True)
    assert "allowed_hours=36" in receiver.bodies[0]["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ("os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("{}['of no use']", "crashed: KeyError: 'of no use'"),
    ],
)
def test_a_killed_or_crashed_step_is_reported(pipeline, receiver, instead, told):
    """No code of a killed step runs any more; the chain sees it. A crash is told in one line."""
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1] + '/python'); import run_all\n"
        f"from warehouse import database; database.run_file = lambda *_: {instead}\n"
        "sys.argv = ['run_all.py']; sys.exit(run_all.main())"
    )
    settings = {"ALERT_URLS": receiver.url, "NETFLIX_CSV": pipeline.put(catalogue(*TITLES))}
    run = subprocess.run(
        [sys.executable, "-c", script, str(PROJECT)],
        env={**pipeline.environment, **settings},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, told in run.stderr) == (1, True), run.stderr
    assert receiver.titles == ["FAILED"]
    assert told in receiver.bodies[0]["message"]
    assert "Traceback" not in receiver.bodies[0]["message"]
    assert run_all(pipeline, NEWEST_TITLE_DAYS="36500", **settings).returncode == 0
    assert receiver.titles == ["FAILED", "recovered"]


@pytest.mark.slow
def test_quiet_writes_to_the_log_and_a_failure_to_stderr_too(pipeline):
    good = pipeline.put(catalogue(*TITLES))
    done = run_all(pipeline, "--quiet", NETFLIX_CSV=good, NEWEST_TITLE_DAYS="36500")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    failed = run_all(pipeline, "--quiet", NETFLIX_CSV="none.csv")
    assert (failed.returncode, failed.stdout) == (20, "")
    assert failed.stderr.startswith("raw       stopped: no input file")
    log = (pipeline.root / "logs/cron.log").read_text()
    assert "merge              40 rows" in log and log.endswith(failed.stderr)


@pytest.mark.slow
def test_a_json_log_has_one_object_per_line_and_the_run_id(pipeline):
    good = pipeline.put(catalogue(*TITLES))
    assert run_all(pipeline, NETFLIX_CSV=good, LOG_FORMAT="json", RUN_ID="night-1").returncode == 0
    for name in ("pipeline.log", "monitor.log"):
        lines = (pipeline.root / "logs" / name).read_text().splitlines()
        assert {json.loads(line)["run"] for line in lines} == {"night-1"}
    assert (pipeline.root / "logs/monitor.log").stat().st_size > 1000
