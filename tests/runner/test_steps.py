"""run_step: lock, run record, transaction, log lines, exit codes."""

import fcntl

import pytest
from conftest import NUMBERED, RECORDS

from errors import QualityError, Refused, StepError
from runner import console
from runner.console import printable
from runner.step import run_step


@pytest.fixture
def settings(pipeline, monkeypatch):
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    return pipeline


def make_table(step):
    step.con.execute("CREATE TABLE made (a INTEGER)")
    step.rows_out = 7
    step.message = "made one"


def test_a_step_leaves_its_work_its_record_and_a_log_line(settings, capsys):
    assert run_step("demo", make_table) == 0
    assert settings.query("SELECT count(*) FROM made") == [(0,)]
    assert settings.query("SELECT step, status, rows_out, message FROM ops_runs") == [
        ("demo", "done", 7, "made one")
    ]
    assert "made one" in capsys.readouterr().out
    log = (settings.root / "logs" / "pipeline.log").read_text()
    assert " demo run=" in log and 'text="made one"' in log


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("no"), 20),
        (QualityError("bad"), 30),
        (StepError("odd"), 1),
        (ZeroDivisionError("boom"), 1),
    ],
)
def test_a_failing_step_rolls_back_and_still_leaves_its_record(settings, capsys, error, code):
    def fail(step):
        make_table(step)
        raise error

    assert run_step("demo", fail) == code
    assert settings.query("SELECT status, message FROM ops_runs") == [
        ("failed", f"{type(error).__name__}: {error}")
    ]
    assert settings.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'made'") == [
        (0,)
    ]
    err = capsys.readouterr().err
    assert str(error) in err and "Traceback (most" not in err


def test_a_crash_leaves_its_traceback_in_the_log_only(settings, capsys):
    assert run_step("demo", lambda step: 1 / 0) == 1
    assert "ZeroDivisionError" in (settings.root / "logs" / "pipeline.log").read_text()
    assert "All changes were rolled back" in capsys.readouterr().err


def test_a_held_lock_exits_75_and_names_the_holder(settings, capsys):
    path = settings.root / "dw.db.lock"
    with open(path, "w") as held:
        held.write("pid 123 since 2026-01-01 00:00:00 UTC\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run_step("demo", make_table) == 75
    assert "pid 123 since 2026-01-01" in capsys.readouterr().err
    assert run_step("demo", make_table) == 0


def test_a_warehouse_open_in_another_program_exits_75(settings, monkeypatch):
    monkeypatch.setattr("warehouse.database.READER_WAIT_S", 0.1)
    import subprocess
    import sys

    assert run_step("demo", lambda step: None) == 0
    reader = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
         "print('open', flush=True); sys.stdin.read()", str(settings.root / "dw.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        reader.stdout.readline()
        done = settings.step("03_load_raw_to_duckdb")
        assert done.returncode in (20, 75), done.stderr
        direct = run_step("demo", make_table)
        assert direct == 75
    finally:
        reader.communicate("")
    assert run_step("demo", make_table) == 0


def test_text_from_files_cannot_drive_the_terminal():
    assert printable("a\x1b[31mred\r\n\u202eback") == "a\\x1b[31mred\\r\\n\\u202eback"


def test_colours_appear_only_on_a_terminal_and_not_under_no_color(capsys, monkeypatch):
    console.say("plain", console.RED)
    assert capsys.readouterr().out == "plain\n"


def test_a_log_line_is_one_line_whatever_the_error_says(settings):
    def fail(step):
        raise Refused("first\nsecond\x1b[0m")

    assert run_step("demo", fail) == 20
    lines = (settings.root / "logs" / "pipeline.log").read_text().splitlines()
    assert len(lines) == 2 and "first\\nsecond\\x1b[0m" in lines[1]


def test_the_checks_name_what_offends_and_exit_30(pipeline):
    header = "show_id,type,title,release_year\n"
    assert pipeline.land((header + "s1,Movie,A,2020\n").encode()).returncode == 0
    assert pipeline.step("06_merge_cdc").returncode == 0
    assert pipeline.step("07_monitor_pipeline").returncode == 0

    import duckdb

    pipeline.hold_staging()
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("INSERT INTO staging_records SELECT * FROM staging_records")
    failed = pipeline.step("07_monitor_pipeline")
    assert failed.returncode == 30
    assert "key_not_null_and_unique, raw_equals_staging" in failed.stderr
    assert "business_key=s1, row_count=2" in failed.stderr
    log = (pipeline.root / "logs" / "monitor.log").read_text().splitlines()
    assert any("ERROR" in line and "fail key_not_null_and_unique rows=1" in line for line in log)


@pytest.mark.slow
def test_an_old_snapshot_fails_the_freshness_check(pipeline):
    header = "show_id,type,title,release_year\n"
    rows = (header + "s1,Movie,A,2020\n").encode()
    assert pipeline.land(rows, SNAPSHOT_AT="2020-01-01").returncode == 0
    assert pipeline.step("06_merge_cdc").returncode == 0
    stale = pipeline.step("07_monitor_pipeline")
    assert stale.returncode == 30
    assert "snapshot_is_fresh" in stale.stderr
    assert pipeline.step("07_monitor_pipeline", FRESHNESS_DAYS="36500").returncode == 0


# What a rebuild writes with other times, or into files with other numbers.
REBUILT = f"{RECORDS} ops_schema_changes ops_metrics {NUMBERED}"


@pytest.mark.slow
def test_rebuild_restores_a_lost_warehouse_and_verify_proves_it(pipeline):
    header = "show_id,type,title,release_year\n"
    for day, rows in enumerate(("s1,Movie,A,2020\ns2,Movie,B,2020\n", "s1,Movie,A!,2020\n"), 1):
        landed = pipeline.land((header + rows).encode(), SNAPSHOT_AT=f"2020-01-0{day}")
        assert landed.returncode == 0, landed.stderr
        assert pipeline.step("06_merge_cdc").returncode == 0
    before = pipeline.tables(leave_out=REBUILT)
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0

    import duckdb

    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE analytics_netflix_history SET title = 'forged' WHERE is_current")
    forged = pipeline.step("10_rebuild_warehouse", "--verify")
    assert (forged.returncode, "DIFFERENT" in forged.stdout) == (30, True)
    assert pipeline.step("10_rebuild_warehouse").returncode == 0
    assert pipeline.tables(leave_out=REBUILT) == before

    (pipeline.root / "dw.db").write_bytes(b"not a database")
    assert pipeline.step("10_rebuild_warehouse").returncode == 0
    assert pipeline.tables(leave_out=REBUILT) == before
    (pipeline.root / "dw.db").unlink()
    assert pipeline.step("10_rebuild_warehouse").returncode == 0
    assert pipeline.tables(leave_out=REBUILT) == before


def test_a_flipped_bit_in_a_snapshot_or_its_record_is_found_before_use(pipeline):
    rows = b"show_id,type,title,release_year\ns1,Movie,A,2020\n"
    assert pipeline.land(rows).returncode == 0
    record, snapshot = sorted((pipeline.root / "data" / "raw" / "snapshots").iterdir())
    for path in (snapshot, record):
        good = path.read_bytes()
        path.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
        damaged = pipeline.step("03_load_raw_to_duckdb")
        assert damaged.returncode == 40, path
        assert "damaged" in damaged.stderr
        path.write_bytes(good)
    assert pipeline.step("03_load_raw_to_duckdb").returncode == 0


@pytest.mark.slow
def test_why_shows_every_version_and_plan_writes_nothing(pipeline):
    header = "show_id,type,title,release_year,rating\n"
    first = (header + "s1,Movie,A,2020,\ns2,Movie,B,2020,R\n").encode()
    assert pipeline.land(first, SNAPSHOT_AT="2020-01-01").returncode == 0
    assert pipeline.step("06_merge_cdc").returncode == 0
    (pipeline.root / "next.csv").write_text(header + "s1,Movie, A2,2020,R\ns3,Movie,C,2020,R\n")
    source = str(pipeline.root / "next.csv")

    before = pipeline.digests(), pipeline.tables(leave_out="")
    plan = pipeline.step("06_merge_cdc", "--plan", NETFLIX_CSV=source, SNAPSHOT_AT="2020-01-02")
    assert plan.returncode == 0, plan.stderr
    assert "+1 ~1 -1, 0 unchanged" in plan.stdout
    assert "title 'A' -> 'A2'" in plan.stdout and "rating (none) -> 'R'" in plan.stdout
    assert (pipeline.digests(), pipeline.tables(leave_out="")) == before

    assert pipeline.land((pipeline.root / "next.csv").read_bytes(), SNAPSHOT_AT="2020-01-02")
    assert pipeline.step("06_merge_cdc").returncode == 0
    why = pipeline.step("11_explain_title", "s1")
    assert why.returncode == 0
    assert "title: 'A' -> 'A2'" in why.stdout and "cleaned:title" in why.stdout
    assert "rating: (none) -> 'R'" in why.stdout
    assert "gone from the catalogue" in pipeline.step("11_explain_title", "s2").stdout
    unknown = pipeline.step("11_explain_title", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "why       stopped: nothing is known of 'nobody': KEY takes a show_id" in unknown.stderr
    part = pipeline.step("11_explain_title", "a")
    assert (part.returncode, part.stderr.splitlines()[1:]) == (2, ["  s1        A2"]), part
    assert pipeline.step("11_explain_title").returncode == 2
