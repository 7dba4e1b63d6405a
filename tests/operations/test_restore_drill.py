"""The restore drill that the documentation shows, run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHAIN, PROJECT, Pipeline, catalogue, title
from documents import find_section

HISTORY = ("analytics_netflix_history", "cdc_netflix_changes", "ops_merges")
TITLES = [title(number) for number in range(1, 61)]
NIGHTS = {2: TITLES, 3: TITLES[:20], 1: [title(1, rating="R"), *TITLES[1:58]]}


def read_drill() -> list[str]:
    """The lines of the first block below the heading: back up; restore and rebuild; prove."""
    section = find_section("docs/operate.md", "Back up and restore")
    return re.search(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[1].splitlines()


def history(pipeline: Pipeline) -> dict[str, list[tuple]]:
    return {name: pipeline.query(f"FROM {name} ORDER BY ALL") for name in HISTORY}


@pytest.fixture
def checkout(tmp_path: Path) -> Pipeline:
    """A checkout with defaults only: a night that a raised limit let pass, then a late one."""
    if not (Path(sys.prefix) / "have-.ci-locks-requirements.lock").exists():
        pytest.skip("this Python is not from a virtual environment that `make setup` made")
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("Makefile", ".ci"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, root / name)
    for name in ("python", "sql"):
        shutil.copytree(PROJECT / name, root / name)
    paths = {"DATA_DIR": "data", "WAREHOUSE_PATH": "netflix_dw.db", "LOG_DIR": "logs"}
    pipeline = Pipeline(root, {name: str(root / path) for name, path in paths.items()})
    for day, settings in (
        (2, {}),
        (3, {"MAX_DELETED_PCT": "100"}),
        (1, {"MAX_INSERTED_PCT": "90"}),
    ):
        source = pipeline.put(catalogue(*NIGHTS[day]))
        done = pipeline.steps(
            *CHAIN[:5], NETFLIX_CSV=source, SNAPSHOT_AT=f"2020-01-{day:02}", **settings
        )
        assert done.returncode == 0, done.stderr
    (root / "dw.db").symlink_to("netflix_dw.db")  # where Pipeline looks
    return pipeline


def run(line: str, checkout: Pipeline, backup: Path, **settings: str) -> str:
    """Run a line of the drill in the checkout; /backup is a folder of the test."""
    done = subprocess.run(
        ["bash", "-ec", line.replace("/backup", str(backup))],
        cwd=checkout.root,
        env={"PATH": os.environ["PATH"], "HOME": str(backup), "VENV": sys.prefix, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, (line, done.stdout)
    return done.stdout


@pytest.mark.slow
def test_the_drill_restores_the_same_history(checkout, tmp_path):
    back_up, restore, prove = read_drill()
    backup, before = tmp_path / "backup", history(checkout)
    run(back_up, checkout, backup)
    shutil.rmtree(checkout.root / "data")
    (checkout.root / "netflix_dw.db").unlink()
    run(restore, checkout, backup)
    assert history(checkout) == before
    assert "equal to a replay of 3 snapshots" in run(prove, checkout, backup)

    record, snapshot = (
        sorted((checkout.root / "data").rglob(name))[0] for name in ("0*.json", "2*.parquet")
    )
    record.unlink()
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    assert checkout.step("02_create_raw_layer").returncode == 40
    run(restore, checkout, backup)
    assert history(checkout) == before
    run(prove, checkout, backup)


def test_a_copy_of_the_records_and_snapshots_is_enough_anywhere(pipeline, loaded_once):
    """What the drill copies, restored into another place, without published copy or warehouse."""
    for name in ("raw", "decisions"):
        shutil.copytree(loaded_once.root / "data" / name, pipeline.root / "data" / name)
    assert pipeline.step("10_rebuild_warehouse", MAX_INSERTED_ROWS="0").returncode == 0
    assert history(pipeline) == history(loaded_once)
    done = pipeline.step("10_rebuild_warehouse", "--verify")
    assert (done.returncode, "equal to a replay" in done.stdout) == (0, True)


def test_the_drill_backs_up_all_that_cannot_be_rebuilt():
    back_up, restore, prove = read_drill()
    for name in ("raw", "decisions"):
        assert f"data/{name}" in back_up and f"/backup/{name}" in restore
    assert "make rebuild" in restore and prove.startswith("make verify")
