"""The examples next to cron: their own tools take them; they run run_all.py without a sample."""

import re
import shutil
import subprocess

import pytest
from conftest import PROJECT

from config import NAMES

SYSTEMD, WORKFLOW = PROJECT / "docs/systemd", PROJECT / "docs/github-actions.yml"
ANALYZE, ACTIONLINT = shutil.which("systemd-analyze"), shutil.which("actionlint")


@pytest.mark.skipif(not ANALYZE, reason="there is no systemd-analyze on this machine")
def test_systemd_accepts_the_timer_and_the_service(tmp_path):
    (tmp_path / "srv/.venv/bin").mkdir(parents=True)
    python = tmp_path / "srv/.venv/bin/python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    for path in SYSTEMD.iterdir():
        text = path.read_text().replace("/srv/netflix", str(tmp_path / "srv"))
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", *map(str, tmp_path.glob("netflix-elt.*"))],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "netflix-elt" in done.stderr) == (0, False), done.stderr
    (when,) = re.findall(
        "^OnCalendar=(.+)$", (SYSTEMD / "netflix-elt.timer").read_text(), re.MULTILINE
    )
    assert subprocess.run([ANALYZE, "calendar", when], capture_output=True).returncode == 0


@pytest.mark.skipif(not ACTIONLINT, reason="there is no actionlint on this machine")
def test_actionlint_accepts_the_workflow():
    done = subprocess.run([ACTIONLINT, str(WORKFLOW)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_workflow_names_settings_and_commands_that_exist():
    yaml = pytest.importorskip("yaml")  # apprise brings it
    workflow = yaml.safe_load(WORKFLOW.read_text())
    job = workflow["jobs"]["run"]
    assert set(job["env"]) - {"PYTHONUTF8"} <= set(NAMES)
    assert job["env"]["ALLOW_SAMPLE"] == "no"
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make setup", ".venv/bin/python python/run_all.py"]
    assert not any(step.get("continue-on-error") for step in job["steps"])
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_the_service_runs_the_script_itself_and_forbids_a_sample():
    text = (SYSTEMD / "netflix-elt.service").read_text()
    (command,) = re.findall("^ExecStart=(.+)$", text, re.MULTILINE)
    assert command == "/srv/netflix/.venv/bin/python /srv/netflix/python/run_all.py"
    assert re.search("^Environment=.*ALLOW_SAMPLE=no", text, re.MULTILINE)
    assert "ALLOW_SAMPLE" in NAMES
