"""A full disk, folders that are read-only, missing, links or oddly named: one sentence, no loss."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from conftest import PROJECT, Pipeline, slow
from faults import Driver
from scene import STEPS, Scene, difference, state, words

from warehouse.places import find_staging

AREA = "Disk and folders"
HEADROOMS = (0, 64 << 10, 512 << 10, 2 << 20)
DAC_OVERRIDE, DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def run_all(pipeline: Pipeline, script: str = "run_all") -> subprocess.CompletedProcess:
    """As a plain user: also root is held to the permissions here."""
    return subprocess.run(
        [sys.executable, str(PROJECT / "python" / f"{script}.py")],
        env=pipeline.environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=without_override if os.geteuid() == 0 else None,
    )


def without_override() -> None:
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError("the capability cannot be dropped")


def assert_one_sentence(result: subprocess.CompletedProcess, *codes: int) -> None:
    """A line that says what stopped the run (and one where to look), no traceback."""
    assert result.returncode in codes, result
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    said = [line for line in result.stderr.splitlines() if line.strip()]
    problem = [line for line in said if "stopped:" in line or "failed:" in line or "crash" in line]
    assert len(problem) == 1, result.stderr


# ---------------------------------------------------------------------------------- a full disk


@pytest.fixture
def tmpfs(scene: Scene) -> Iterator[Callable[..., None]]:
    """Mounts a small file system where the trials work, and lets it grow."""
    scene.put(STEPS[0])

    def mount(size: int, *more: str) -> None:
        options = ",".join((f"size={size}", *more))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(scene.work.root)],
            capture_output=True,
        )
        if done.returncode:
            pytest.skip("a tmpfs cannot be mounted here")

    if sys.platform != "linux" or os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a tmpfs")
    yield mount
    while os.path.ismount(scene.work.root):
        subprocess.run(["umount", "-l", str(scene.work.root)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("headroom", HEADROOMS)
@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk(scene, tmpfs, report, step, headroom):
    source = scene.root / f"before {step}"
    used = sum(-(-path.lstat().st_size // 4096) * 4096 for path in source.rglob("*"))
    tmpfs(used + headroom + 4096)
    shutil.copytree(source, scene.work.root, symlinks=True, dirs_exist_ok=True)
    with Driver() as driver:
        trial = driver.run(step, scene.work.environment)
    assert "Traceback" not in trial.stdout + trial.stderr, trial
    assert trial.returncode in (0, 1, 20), trial
    assert trial.returncode == 0 or trial.stderr.strip(), trial
    tmpfs(200 << 20, "remount")
    after = scene.old_or_new(step, trial, always=True)
    sees = words(trial) if trial.returncode else "it fits"
    report(AREA, f"{headroom >> 10} kB left on a tmpfs", step, sees, trial.returncode, after)


# ------------------------------------------------------------------------- what may not be written

FORBIDDEN = {
    "data": 0o555,
    "data/raw": 0o555,
    "data/raw/snapshots": 0o555,
    "data/published": 0o555,
    "data/published/versions": 0o555,
    "data/alerts": 0o555,
    "logs": 0o555,
    "logs/pipeline.log": 0o444,
    "dw.db": 0o444,
    "dw.db.lock": 0o444,
    ".": 0o555,
    "../day2.csv": 0,
    "data/raw/manifest.jsonl": 0,
    "data/raw/": 0,  # the slash: the same folder, without even the right to look into it
    "dw.db ": 0,
}


@pytest.mark.slow
@pytest.mark.parametrize("place", FORBIDDEN)
def test_no_permission(scene, report, place):
    scene.put(STEPS[0])
    mode, path = FORBIDDEN[place], scene.work.root / place.strip()
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        result = run_all(scene.work)
    finally:
        path.chmod(before)
    if result.returncode:
        assert_one_sentence(result, *((40,) if place.strip() == "dw.db" else (1, 20)))
    after = scene.in_chain(result)
    fault = "read-only" if mode else "no permission to read"
    report(AREA, f"{fault}: {place.strip()}", "run_all", words_of(result), result.returncode, after)


def words_of(result: subprocess.CompletedProcess) -> str:
    return words(result) if result.returncode else "all is well"


# ------------------------------------------------------------- missing, in the way, links, names


# They name the files of staging: others, if a warehouse begins next to those of one before.
OF_FILES = (
    *("files of staging", "staging_files", "staging_parts", "staging_lines"),
    *("staging_netflix_quarantine", "staging_lost_in_cast"),
)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["data/alerts", "data/published", "logs", "dw.db", "dw.db.lock"])
def test_what_is_missing_is_created_again(scene, report, place):
    scene.put(STEPS[0])
    path = scene.work.root / place
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    result = run_all(scene.work)
    assert result.returncode == 0, result
    found = state(scene.work)
    assert found["raw"] == scene.final["raw"]
    for part in ("warehouse", "published"):  # but for what is of earlier runs
        different = difference(scene.final[part], found[part])
        assert not set(different) - {"done", "ops_metrics", *OF_FILES}, different
    report(AREA, f"missing: {place}", "run_all", words_of(result), 0, "new state")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["data", "data/raw/snapshots", "data/published", "logs"])
def test_a_file_where_a_folder_should_be(scene, report, place):
    scene.put(STEPS[0])
    path, aside = scene.work.root / place, scene.work.root / "aside"
    path.rename(aside)
    path.write_text("in the way")
    result = run_all(scene.work)
    assert_one_sentence(result, *((40,) if place == "data/raw/snapshots" else (1, 2, 20)))
    assert path.read_text() == "in the way"
    path.unlink()
    aside.rename(path)
    after = scene.in_chain(result)
    report(AREA, f"a file in the place of {place}", "run_all", words_of(result), 1, after)


def without_places(found: dict) -> dict:
    """A state without the views that name staging's files, which are next to the real dw.db."""
    tables = found["warehouse"].items()
    return found | {"warehouse": {n: digest for n, digest in tables if "staging" not in n}}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["data", "data/raw/snapshots", "data/published", "logs", "dw.db"])
def test_a_link_is_followed_and_stays(scene, report, place):
    scene.put(STEPS[0])
    path, target = scene.work.root / place, scene.work.root / "elsewhere"
    path.rename(target)
    if place == "dw.db":
        find_staging(path).rename(find_staging(target))
    path.symlink_to(target)
    result = run_all(scene.work)
    assert result.returncode == 0, result
    assert path.is_symlink()
    found, final = state(scene.work), scene.final
    if place == "dw.db":
        found, final = without_places(found), without_places(final)
    assert found == final
    rebuilt = run_all(scene.work, "10_rebuild_warehouse")
    assert rebuilt.returncode == 0, rebuilt
    assert path.is_symlink()
    report(
        AREA,
        f"a link in the place of {place}",
        "run_all, rebuild",
        words_of(result),
        0,
        "new state",
    )


@pytest.mark.parametrize(
    "place",
    ["data/decisions", *slow("data", "data/raw", "data/raw/snapshots", "data/published",
     "data/published/versions", "data/alerts", "logs", "dw.db")],
)  # fmt: skip
def test_a_link_to_nowhere(scene, report, place):
    """A disk that is not mounted: what is on it is not lost, and nothing begins without it."""
    scene.put(STEPS[0])
    path, aside = scene.work.root / place, scene.work.root / "aside"
    path.rename(aside)
    path.symlink_to(scene.work.root / "no" / "such" / "place")
    result = run_all(scene.work)
    assert_one_sentence(result, 2)
    assert f"{path} is a link, and its folder " in result.stderr
    assert "ACCEPT" not in result.stderr
    path.unlink()
    aside.rename(path)
    after = scene.in_chain(result)
    report(
        AREA, f"a link to nowhere: {place}", "run_all", words_of(result), result.returncode, after
    )


NAMES = {
    "blanks": "a folder with blanks",
    "quotes": 'it\'s "quoted" `x` $HOME',
    "a newline": "two\nlines",
    "wildcards": "a*[b]{c}%s;--",
    "letters of many scripts": "Ünï–çødé 日本",
}
REFUSED = {"a question mark": "a?b", "no text": os.fsdecode(b"bytes\xff\xfe")}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_duckdb_cannot_take_is_refused(scene, tmp_path, report, name):
    root = tmp_path / REFUSED[name]
    root.mkdir()
    result = run_all(Pipeline(root, dict(scene.work.settings)))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("run-all   stopped: DATA_DIR is ")
    assert not list(root.iterdir())
    report(AREA, f"a folder's name: {name}", "run_all", words(result), 2, "unchanged")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_an_odd_name(scene, tmp_path, report, name):
    root = tmp_path / NAMES[name]
    root.mkdir()
    odd = Pipeline(root, dict(scene.work.settings))
    for day in (1, 2):
        csv = shutil.copy(scene.root / f"day{day}.csv", root / "catalogue of the day.csv")
        odd.settings |= {"NETFLIX_CSV": str(csv), "SNAPSHOT_AT": f"2022-01-0{day}"}
        result = run_all(odd)
        assert result.returncode == 0, result
    found = state(odd)
    for part in ("warehouse", "published"):
        assert list(found[part]) == list(scene.final[part])
    for table in ("analytics_netflix_current", "kpi_titles_by_country"):
        assert found["warehouse"][table] == scene.final["warehouse"][table]
    report(AREA, f"a folder's name: {name}", "run_all", words_of(result), 0, "new state")


@pytest.mark.slow
def test_folders_that_do_not_exist_yet_are_made(scene, tmp_path, report):
    deep = Pipeline(tmp_path / "not" / "yet" / "there", dict(scene.work.settings))
    result = run_all(deep)
    assert result.returncode == 0, result
    report(AREA, "folders that do not exist yet", "run_all", words_of(result), 0, "new state")
