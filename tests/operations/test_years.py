"""Years of nights: what they add to the disk is said, and the raw layer can be on another one."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from conftest import CHAIN, catalogue, title

from operations import status

FRESH = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}


@pytest.fixture
def other_disk(tmp_path):
    """A folder on another device, where this machine has one."""
    memory = Path("/dev/shm")
    is_other = memory.is_dir() and memory.stat().st_dev != tmp_path.stat().st_dev
    folder = Path(tempfile.mkdtemp(dir=memory if is_other else tmp_path))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_the_raw_layer_can_be_moved_to_another_disk(pipeline, other_disk):
    for number, day in ((21, "2026-11-01"), (25, "2026-11-02"), (29, "2026-11-03")):
        source = pipeline.put(catalogue(*map(title, range(1, number))))
        given = {"NETFLIX_CSV": source, "SNAPSHOT_AT": day, **FRESH}
        done = pipeline.steps(*CHAIN, **given)
        assert (done.returncode, done.stderr) == (0, "")
        raw = pipeline.root / "data/raw"
        if not raw.is_symlink():
            shutil.move(raw, other_disk / "raw")
            raw.symlink_to(other_disk / "raw")
    assert pipeline.step("06_merge_cdc", "--plan", **given).returncode == 0
    assert pipeline.step("10_rebuild_warehouse", "--verify", **given).returncode == 0
    assert pipeline.step("10_rebuild_warehouse", **given).returncode == 0
    assert raw.is_symlink() and len(list((other_disk / "raw/snapshots").glob("*.parquet"))) == 3
    shown = pipeline.python("-m", "operations.status").stdout
    (snapshots, warehouse) = re.search(
        r"a year     of nights like the last 3 adds ([\d,]+) MB of snapshots and ([\d,]+) MB", shown
    ).groups()
    size = sum(path.stat().st_size for path in (other_disk / "raw/snapshots").glob("*.parquet"))
    assert int(snapshots) == round(365 * size / 3 / 1e6)
    versions_a_night, versions = 4, 28
    size = status.count_bytes(pipeline.root / "dw.db")
    assert int(warehouse) == round(365 * versions_a_night * size / versions / 1e6)
