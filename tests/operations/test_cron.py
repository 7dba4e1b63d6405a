"""The crontab block, the next time cron will run it, the status screen, and a real cron daemon."""

import os
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import TZPATH

import pytest
from conftest import PROJECT, catalogue, title

from config import __version__, load_settings
from operations import cron, status

OTHERS = "# mine\nMAILTO=me@example.org\n5 4 * * sun  echo 'a%b'\n"


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch) -> Path:
    """A crontab(1) that keeps its text in a file, as the real one does for each user."""
    kept, program = tmp_path / "kept", tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'kept="{kept}"\n'
        'case "$1" in\n'
        '-l) [ -e "$kept" ] && cat "$kept" || { echo "no crontab for me" >&2; exit 1; } ;;\n'
        '-r) rm "$kept" ;;\n'
        '-) cat >"$kept" ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return kept


def run(script: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", f"operations.{script}", *arguments],
        cwd=PROJECT / "python",
        env={"PATH": os.environ["PATH"], "PYTHON_DOTENV_DISABLED": "1", **settings},
        capture_output=True,
        text=True,
    )


def test_install_and_remove_touch_one_block_only(crontab):
    crontab.write_text(OTHERS)
    done = run("cron", "install", SCHEDULE="10 2 * * 1-5")
    assert (done.returncode, done.stderr) == (0, "")
    text = crontab.read_text()
    assert text.startswith(OTHERS + cron.BEGIN)
    lines = text.splitlines()
    assert f"--directory='{PROJECT}' run-all QUIET=1 ALLOW_SAMPLE=no" in lines[-3]
    assert lines[-3].startswith("10 2 * * 1-5 ") and lines[-2].startswith("0 9 * * * ")
    assert "before:" in done.stdout and "10 2 * * 1-5" in done.stdout
    assert run("cron", "install", SCHEDULE="10 2 * * 1-5").stdout.endswith("as before\n")
    assert crontab.read_text() == text
    run("cron", "install")
    assert crontab.read_text() == text.replace("10 2 * * 1-5", "0 3 * * *")
    assert run("cron", "remove").returncode == 0
    assert crontab.read_text() == OTHERS


def test_the_job_has_the_settings_that_were_given_or_is_not_installed(crontab, tmp_path):
    """It reads .env alone, so what stands there no otherwise is no setting of the job."""
    for given in ({"NETFLIX_CSV": "/feed/s3cr3t.csv", "DATA_DIR": "/d"}, {"ACCEPT": "0" * 12}):
        refused = run("cron", "install", **given)
        assert (refused.returncode, crontab.exists()) == (2, False)
        assert f"{', '.join(sorted(given))} given here" in refused.stderr
        assert "s3cr3t" not in refused.stdout + refused.stderr
    done = run("cron", "install", DATA_DIR="data", VENV="/it's/50%", PYTHON="python3")
    assert done.returncode == 0
    assert crontab.read_text().count(" VENV='/it'\\''s/50\\%' ") == 2


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://ann:s3cr3t@host/a.csv?key=s3cr3t", "https://host/a.csv"),
        (__file__, __file__),
        ("/nowhere.csv", "/nowhere.csv, which does not exist now"),
        ("", "/data/raw/netflix_titles.csv, which does not exist now"),
    ],
)
def test_install_shows_which_source_the_job_will_read(source, shown, capsys, monkeypatch):
    monkeypatch.setattr(cron, "load_settings", lambda _: settings)
    settings = load_settings({"NETFLIX_CSV": source, "DATA_DIR": "/data"})
    cron.check_settings_given(settings)
    cron.show_source(settings)
    said = "".join(capsys.readouterr())
    assert said == f"cron      the job will read {shown}\n"


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Asia/Kathmandu"])
def test_install_warns_if_cron_may_use_local_time(zone):
    path = next(Path(folder) / zone for folder in TZPATH if (Path(folder) / zone).exists())
    doubts = list(cron.find_doubts(zone=path, processes=Path("/nowhere")))
    assert len(doubts) == (zone != "UTC")
    assert all("the local time is not UTC" in text and "SCHEDULE" in text for text in doubts)


@pytest.mark.parametrize(
    ("names", "is_told"),
    [
        ({"1": "systemd", "77": "bash"}, True),
        ({"1": "systemd", "77": "cron"}, False),
        ({"1": "init", "77": "crond"}, False),
        ({"77": "bash"}, False),  # only one's own processes are shown: nobody knows
    ],
)
def test_install_warns_if_no_cron_daemon_runs(tmp_path, names, is_told):
    for number, name in names.items():
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
    doubts = list(cron.find_doubts(zone=Path("/nowhere"), processes=tmp_path))
    assert ["no cron daemon runs here" in text for text in doubts] == [True] * is_told


def test_an_empty_crontab_is_installed_and_removed(crontab):
    assert run("cron", "remove").returncode == 0
    assert run("cron", "install").returncode == 0
    assert crontab.read_text().count("\n") == 5
    assert run("cron", "remove").returncode == 0
    assert not crontab.exists()


def test_a_block_without_its_end_is_left_alone(crontab):
    crontab.write_text(f"{cron.BEGIN}\n{OTHERS}")
    done = run("cron", "remove")
    assert (done.returncode, "crontab -e" in done.stderr) == (2, True)
    assert crontab.read_text() == f"{cron.BEGIN}\n{OTHERS}"


def test_without_cron_the_message_says_so(tmp_path):
    done = run("cron", "install", PATH=str(tmp_path))
    assert (done.returncode, "there is no crontab on this machine" in done.stderr) == (2, True)


def test_a_path_is_quoted_for_the_shell_and_for_cron():
    path = "/srv/it's 100% mine"
    assert cron.quote_for_cron(path) == "'/srv/it'\\''s 100\\% mine'"
    line = f"printf %s {cron.quote_for_cron(path)}".replace(
        "\\%", "%"
    )  # as cron hands it to the shell
    assert subprocess.run(["sh", "-c", line], capture_output=True, text=True).stdout == path


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("* * * * *", "2024-02-28 12:31"),
        ("0 3 * * *", "2024-02-29 03:00"),
        ("30 12 * * *", "2024-02-29 12:30"),
        ("*/20 12-13 * * *", "2024-02-28 12:40"),
        ("0 0 29 2 *", "2024-02-29 00:00"),
        ("0 0 30 2 *", None),
        ("0 6 * * 1", "2024-03-04 06:00"),
        ("0 6 * * 0", "2024-03-03 06:00"),
        ("0 6 * * 7", "2024-03-03 06:00"),
        ("0 6 1 * 6", "2024-03-01 06:00"),  # either day will do
        ("15,45 1-3/2 * * *", "2024-02-29 01:15"),
    ],
)
def test_next_time_is_what_cron_does(fields, expected):
    found = status.find_next_time(fields, datetime(2024, 2, 28, 12, 30, 30))  # a Wednesday
    assert (f"{found:%Y-%m-%d %H:%M}" if found else None) == expected


def test_status_is_one_screen_and_writes_nothing(pipeline, crontab):
    environment = {**pipeline.environment, "PATH": os.environ["PATH"]}
    empty = run("status", **environment)
    assert (empty.returncode, "no warehouse" in empty.stdout) == (0, True)
    titles = [title(1), title(2, type="TV Show", duration="1 Season", rating="XYZ")]
    assert pipeline.all_steps(NETFLIX_CSV=pipeline.put(catalogue(*titles))).returncode == 0
    fewer = {"NETFLIX_CSV": pipeline.put(catalogue(*titles[:1]), "b.csv"), "MAX_DELETED_ROWS": "0"}
    assert pipeline.all_steps(**fewer).returncode == 20, "and no audit tells of it"
    pipeline.step("02_create_raw_layer", NETFLIX_CSV="none.csv")
    run("cron", "install")
    refused = pipeline.batches()[-1]["batch_id"]
    before = pipeline.digests(".")
    shown = run("status", **environment, **fewer)
    assert (shown.returncode, shown.stderr) == (0, "")
    for part in (
        f"version    {__version__}\n",
        "merge      failed ",
        "raw        failed ",
        "2 titles (1 movies, 1 TV shows)",
        "accepted_ratings",
        "next run-all: ",
        "warehouse ",
        f"left out   snapshot {refused} was refused; `make run-all ACCEPT=",
        f"` or `make withdraw BATCH={refused}`\n",
    ):
        assert part in shown.stdout, part
    given = rf"ACCEPT=\w+ NETFLIX_CSV={re.escape(fewer['NETFLIX_CSV'])} .*MAX_DELETED_ROWS=0"
    assert re.search(given, shown.stdout), "the command has what was given"
    assert "a year " not in shown.stdout, "two snapshots are too few to say"
    assert len(shown.stdout.splitlines()) < 25
    assert pipeline.digests(".") == before


@pytest.mark.skipif(
    "TEST_CRON_DAEMON" not in os.environ or not shutil.which("cron") or os.getuid() != 0,
    reason="changes root's crontab: only where TEST_CRON_DAEMON is set, with root and a cron",
)
def test_a_real_cron_daemon_runs_the_job(tmp_path):
    """Cron's bare environment, a path with blanks and a quote, settings from .env alone."""
    checkout = tmp_path / "it's 100% mine"
    checkout.mkdir()
    for name in ("Makefile", ".ci", "python", "sql"):
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name)
    (checkout / ".venv").symlink_to(sys.prefix)
    source = tmp_path / "catalogue.csv"
    source.write_text(catalogue(*(title(number) for number in range(1, 31))))
    os.utime(source, (1_700_000_000, 1_700_000_000))
    settings = f"NETFLIX_CSV={source}\nSCHEDULE=* * * * *\nMONITOR_SCHEDULE=0 0 1 1 *\n"
    (checkout / ".env").write_text(settings)
    before = subprocess.run(["crontab", "-l"], capture_output=True, text=True).stdout
    make = ["env", "-u", "PYTHON_DOTENV_DISABLED", "make", "-C", str(checkout)]
    daemon = subprocess.Popen(["cron", "-f"])
    try:
        subprocess.run([*make, "cron-install"], check=True, capture_output=True)
        deadline = time.monotonic() + 130
        log = checkout / "logs" / "cron.log"
        while time.monotonic() < deadline:
            if log.exists() and "monitor " in log.read_text():
                break
            time.sleep(0.5)
    finally:
        subprocess.run([*make, "cron-remove"], check=True, capture_output=True)
        daemon.terminate()
        daemon.wait(10)
    after = subprocess.run(["crontab", "-l"], capture_output=True, text=True).stdout
    assert after == before
    text = log.read_text()
    assert "merge              30 rows" in text and "0 failed" in text
