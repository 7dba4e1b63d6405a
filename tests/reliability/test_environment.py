"""Odd surroundings: no HOME, any umask and locale, code that cannot be written, a newer DuckDB."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, NUMBERED, PROJECT, RECORDS, Pipeline, catalogue, title

AREA = "environment"
ALL = (*CHAIN, "08_build_analytics", "09_publish")
SETTINGS = {
    "NEWEST_TITLE_DAYS": "36500",
    "FRESHNESS_DAYS": "36500",
    "SNAPSHOT_AT": "2026-01-01",
}
VARIES = (  # times, paths, the names of files, and DuckDB's version
    f"{RECORDS} {NUMBERED} ops_schema_changes ops_metrics ops_origin raw_netflix_titles "
    "contract_netflix_titles staging_netflix_quarantine analytics_build"
)
TITLES = [
    title(1, title="Élite ñ", director="Åse Bjørn"),
    title(2, title="猫の恩返し", country="South Korea"),
    title(3, title="الحسن", description="— “quoted” 🎬"),
    title(4),
]
WITHOUT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    """The content that the file gives anywhere."""
    pipeline = Pipeline(tmp_path_factory.mktemp("undisturbed"), dict(SETTINGS))
    done = pipeline.steps(*ALL, NETFLIX_CSV=pipeline.put(catalogue(*TITLES)))
    assert done.returncode == 0, done.stderr
    return pipeline.tables(VARIES)


class Place(Pipeline):
    """A pipeline whose file and folders have names outside ASCII."""

    def __init__(self, tmp_path: Path) -> None:
        root = tmp_path / "dåta 猫"
        root.mkdir()
        super().__init__(root, dict(SETTINGS))
        self.settings["NETFLIX_CSV"] = self.put(catalogue(*TITLES), "Kätalog-🎬.csv")

    def runs(
        self, before: tuple[str, ...] = (), python: tuple[str, ...] = (), code: Path = PROJECT,
        name: str = "run_all", **more: str,
    ) -> subprocess.CompletedProcess:  # fmt: skip
        """run_all in a process with the settings and PATH alone; its output may be no UTF-8."""
        done = subprocess.run(
            [*before, sys.executable, *python, str(code / "python" / f"{name}.py")],
            env=self.environment | more,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def sees(done: subprocess.CompletedProcess) -> str:
    """The last line that was printed, without what differs from run to run."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    last = [line for line in lines if line != "          Nothing was changed."][-1]
    text = re.sub(r"\d+\.\d\d s", "<time>", re.sub(r"(/[^\n:(),]+)+/", "", last))
    return " ".join(re.sub(r"\d{8}T\d{6}Z-\w+", "<batch>", text).split())


def came_out_well(done: subprocess.CompletedProcess, place: Place, undisturbed: dict) -> None:
    """It ended in 0 and without a word of complaint, with the content it gives anywhere."""
    assert (done.returncode, done.stderr) == (0, ""), done
    assert place.tables(VARIES) == undisturbed
    copy = place.root / "data/published/netflix.duckdb"
    with duckdb.connect(str(copy), read_only=True) as con:
        found = con.execute("SELECT title FROM analytics_netflix_current ORDER BY show_id")
        assert found.fetchall() == [(row["title"],) for row in TITLES]
    page = (place.root / "data/published/dashboard.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")


@pytest.mark.slow
def test_the_environment_needs_only_path(place, undisturbed, report):
    assert "HOME" not in place.environment and "TERM" not in place.environment
    done = place.runs()
    came_out_well(done, place, undisturbed)
    report(AREA, "env -i: no HOME, TERM, LANG, USER", "run_all", sees(done), 0, "new state")


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_no_umask_changes_what_comes_out(place, undisturbed, report, mask):
    before = os.umask(mask)
    try:
        done = place.runs()
    finally:
        os.umask(before)
    came_out_well(done, place, undisturbed)
    report(AREA, f"umask {mask:03o}", "run_all", sees(done), 0, "new state")


def latin_1(folder: Path) -> dict[str, str]:
    """The environment of an ISO-8859-1 locale, made in that folder."""
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / "de_DE.ISO-8859-1")],
        capture_output=True,
    )
    if not made or not (folder / "de_DE.ISO-8859-1").exists():
        pytest.skip("no ISO-8859-1 locale can be made here")
    return WITHOUT_UTF8 | {"LC_ALL": "de_DE.ISO-8859-1", "LOCPATH": str(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["C", "ISO-8859-1"])
def test_a_locale_without_utf8_changes_what_is_shown_and_nothing_else(
    place, undisturbed, report, locale, tmp_path
):
    settings = WITHOUT_UTF8 if locale == "C" else latin_1(tmp_path)
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.stdout.encoding)"],
        env=place.environment | settings,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert shown.lower() in ("ascii", "ansi_x3.4-1968", "iso8859-1", "iso-8859-1")
    refused = place.runs(**settings)
    assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    assert "DATA_DIR is " in refused.stderr and "Set PYTHONUTF8=1" in refused.stderr
    assert sorted(path.name for path in place.root.iterdir()) == ["Kätalog-🎬.csv"]
    told = re.sub("'.*'", "'...'", refused.stderr.strip())
    report(AREA, f"locale {locale}, PYTHONUTF8=0, a folder with a name outside ASCII", "run_all",
           told, 2, "unchanged")  # fmt: skip
    assert "\nexport PYTHONUTF8 := 1\n" in (PROJECT / "Makefile").read_text()
    with_make = place.runs(**settings | {"PYTHONUTF8": "1"})
    came_out_well(with_make, place, undisturbed)
    plain = tmp_path / "plain"
    plain.mkdir()
    place.root, source = plain, place.settings["NETFLIX_CSV"]
    done = place.runs(**settings)
    came_out_well(done, place, undisturbed)
    for name in ("operations/status", "10_rebuild_warehouse", "01_inspect_data"):
        other = place.runs(name=name, **settings)
        assert other.returncode == 0, (name, other.stderr)
    again = place.runs()
    assert (again.returncode, again.stdout.count("unchanged since")) == (0, 1), again
    assert place.batches()[-1]["source"] == Path(source).name
    report(AREA, f"locale {locale}, PYTHONUTF8=0, a file and titles with names outside ASCII",
           "run_all, status, rebuild, inspect", sees(done), 0, "new state")  # fmt: skip


@pytest.fixture
def readonly_code(tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    """A copy of the code that nobody can write to, and what to put before a command for that."""
    code = tmp_path / "code"
    for name in ("python", "sql"):
        shutil.copytree(PROJECT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT / ".ci", code / ".ci")
    subprocess.run(["chmod", "-R", "a-w", str(code)], check=True)
    before: tuple[str, ...] = ()
    if os.getuid() == 0:  # root may write anywhere, unless it gives that right away
        if not shutil.which("setpriv"):
            pytest.skip("root may write anywhere, and there is no setpriv")
        before = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    tried = subprocess.run([*before, "touch", str(code / "python/x")], capture_output=True)
    assert tried.returncode
    yield code, before
    subprocess.run(["chmod", "-R", "u+w", str(code)], check=True)


@pytest.mark.slow
def test_code_that_cannot_be_written_to_runs(place, undisturbed, report, readonly_code):
    code, before = readonly_code
    done = place.runs(before=before, code=code)
    came_out_well(done, place, undisturbed)
    assert not list(code.rglob("__pycache__"))
    report(AREA, "code folder is read-only", "run_all", sees(done), 0, "new state")


@pytest.mark.slow
def test_no_warning_of_python_is_left(place, undisturbed, report):
    done = place.runs(python=("-W", "error", "-X", "dev"))
    came_out_well(done, place, undisturbed)
    for name in ("operations/status", "10_rebuild_warehouse", "01_inspect_data"):
        other = place.runs(python=("-W", "error", "-X", "dev"), name=name)
        assert (other.returncode, other.stderr) == (0, ""), (name, other.stderr)
    report(AREA, "python -W error -X dev", "run_all, status, rebuild, inspect", sees(done), 0,
           "new state")  # fmt: skip


@pytest.fixture(scope="session")
def newer_duckdb(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the newest DuckDB there is, where that is newer than the pinned one."""
    folder = tmp_path_factory.mktemp("newer")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    wanted = f"duckdb>{version('duckdb')}"
    done = subprocess.run(
        [*pip, "--target", str(folder), wanted], capture_output=True, text=True, timeout=240
    )
    if done.returncode:
        pytest.skip(f"no newer DuckDB: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
    return folder, next(folder.glob("duckdb-*.dist-info")).name.split("-")[1].split(".dist")[0]


@pytest.mark.slow
def test_a_newer_duckdb_does_the_same_and_leaves_files_for_the_old_one(
    place, undisturbed, report, newer_duckdb
):
    folder, number = newer_duckdb
    newer = {"PYTHONPATH": str(folder)}
    done = place.runs(**newer)
    came_out_well(done, place, undisturbed)  # read by the pinned one
    assert place.batches()[-1]["versions"]["duckdb"] == number
    assert place.runs(name="10_rebuild_warehouse", **newer).returncode == 0
    assert place.steps(*ALL).returncode == 0  # the pinned one goes on with the newer one's files
    assert place.tables(VARIES) == undisturbed
    mixed = place.runs(**newer)
    assert (mixed.returncode, mixed.stderr) == (0, "")
    assert place.tables(VARIES) == undisturbed
    held = duckdb.connect(str(place.root / "dw.db"), read_only=True)
    try:
        turned_away = place.runs(name="06_merge_cdc", **newer)
    finally:
        held.close()
    assert turned_away.returncode == 75, turned_away.stderr
    damaged = place.root / "dw.db"
    damaged.write_bytes(b"x" * 50_000)
    refused = place.runs(name="06_merge_cdc", **newer)
    assert (refused.returncode, "`make rebuild`" in refused.stderr) == (40, True), refused.stderr
    report(AREA, f"DuckDB {number.split('.')[0]}.x instead of the pinned one",
           "run_all, rebuild, then the pinned one", sees(done), 0, "new state")  # fmt: skip
