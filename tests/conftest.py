"""What the tests share: a pipeline in a temporary folder, run as a user runs it."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

import duckdb
import pytest
from titles import COLUMNS, catalogue, title, without  # noqa: F401 - most tests take them from here

pytest.register_assert_rewrite("both")
os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # no test sees the .env of this checkout
PROJECT = Path(__file__).resolve().parent.parent
LANDING = ("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql")
CHAIN = (*LANDING, "06_merge_cdc", "07_monitor_pipeline")
# `python -c` runs the scripts that follow as run_all runs its own.
CHAIN_OF = "import run_all, sys; run_all.CHAIN = sys.argv[1:]; sys.exit(run_all.main())"
# What each run adds to, also a run in vain.
RECORDS = (
    "ops_runs ops_checks ops_check_failures ops_state ops_proven_files "
    "audit_record audit_clean_checks"  # what the last audit saw
)
# They have the numbers of staging's files, which differ after a run that died, or a rebuild.
NUMBERED = "staging_files staging_parts staging_lines staging_records"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# The tables of cases of which the quick suite takes every thirtieth; `make test-full` takes all,
# and so does a mutant (WHOLE_TABLES).
BIG_TABLES = (
    "history_cases", "guard", "contract", "contract_words", "quarantine", "file_zoo", "analytics",
    "checks", "remote_sources", "exit_codes", "deviations", "by_title", "history_extra",
    "late_files", "withdraw", "publishers",
)  # fmt: skip
# Begun first: a worker that came to them last would keep the others waiting.
LONGEST = ("test_nights.py", "test_killed_at_random.py", "test_rebuild_random.py")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the quick suite's folders in memory: half of what steps write is synced to the disk.

    The slow tests of faults have a real disk.
    """
    memory = Path("/dev/shm")
    is_quick = "not slow" in config.option.markexpr
    if is_quick and memory.is_dir() and shutil.disk_usage(memory).free > 4_000_000_000:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_xdist_auto_num_workers() -> int:
    """One more than the cores (`-n auto`): a test in four waits for a disk, a server, a browser."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for table in () if "WHOLE_TABLES" in os.environ else BIG_TABLES:
        cases = [
            item
            for item in items
            if item.path.name == f"test_{table}.py" and hasattr(item, "callspec")
        ]
        for at, item in enumerate(cases):
            if at % 30:
                item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if ninth := os.environ.get("NINTH"):
        if ninth not in map(str, range(9)):
            raise pytest.UsageError(f"NINTH is {ninth!r}, allowed is a number from 0 to 8")
        left_out = [
            item
            for item in items
            if item.get_closest_marker("slow") and not is_in_ninth(item.nodeid, int(ninth))
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def slow(*values: str) -> list:
    """Return cases of a table that the quick suite leaves out."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def is_in_ninth(nodeid: str, ninth: int) -> bool:
    """Whether a slow case belongs to this ninth (0 to 8) of them: by its name, on every machine.

    NINTH=<0 to 8> in the environment leaves the slow cases of the other ninths out. Each landing
    runs one ninth, chosen by its commit (.ci/run), so a few of them run every case.
    """
    return zlib.crc32(nodeid.encode()) % 9 == ninth


@cache
def script(path: Path) -> CodeType:
    return compile(path.read_bytes(), path, "exec")


@cache
def empty_database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@contextmanager
def attach(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read a database file, in an instance of DuckDB that is there: a new one costs 17 ms."""
    con, name = empty_database(), str(path).replace("'", "''")
    try:
        con.execute(f"ATTACH '{name}' AS {path.stem} (READ_ONLY)")
        con.execute(f"USE {path.stem}")
        yield con
        con.execute("USE memory")
        con.execute(f"DETACH {path.stem}")
    except BaseException:  # a damaged file can leave the instance unusable
        empty_database.cache_clear()
        con.close()
        raise


@dataclass
class Pipeline:
    """One data folder, one warehouse; steps run with exactly these settings."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHON_DOTENV_DISABLED": "1",
            "PYTHONPATH": str(PROJECT / "python"),  # for what is in a room, as make sets it
            "DATA_DIR": str(self.root / "data"),
            "WAREHOUSE_PATH": str(self.root / "dw.db"),
            "LOG_DIR": str(self.root / "logs"),
            "DUCKDB_THREADS": "1",  # a few rows need no more, and each core has a test of its own
            **self.settings,
        }

    def step(self, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run python/<name>.py as a script, inside this process: ten times as fast.

        The result has returncode, stdout and stderr (text), as that of `process`.
        """
        path = PROJECT / "python" / f"{name}.py"
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.dict(os.environ, {**self.environment, **settings}, clear=True),
            mock.patch.object(sys, "argv", [str(path), *arguments]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                exec(script(path), {"__name__": "__main__", "__file__": str(path)})
            except SystemExit as end:
                code = end.code or 0
        return subprocess.CompletedProcess(name, code, out.getvalue(), err.getvalue())

    def process(self, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run python/<name>.py as its own process, as make does."""
        return self.python(str(PROJECT / "python" / f"{name}.py"), *arguments, **settings)

    def python(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run Python with these arguments, in a process that has only the pipeline's settings."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )

    def steps(self, *names: str, **settings: str) -> subprocess.CompletedProcess:
        """Run steps one after the other, as make does, up to the first that fails."""
        for name in names:
            result = self.step(name, **settings)
            if result.returncode:
                break
        return result

    def all_steps(self, **settings: str) -> subprocess.CompletedProcess:
        """02 to 07, up to the first that fails."""
        return self.steps(*CHAIN, **settings)

    def put(self, content: bytes | str, name: str = "catalogue.csv") -> str:
        """Write a source file; its path."""
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (1_700_000_000, 1_700_000_000))  # long finished, not "still being written"
        return str(path)

    def raw(self, content: bytes | str, name: str = "catalogue.csv", **settings: str):
        """Write a file and run 02 on it."""
        return self.step("02_create_raw_layer", NETFLIX_CSV=self.put(content, name), **settings)

    def land(self, content: bytes | str, name: str = "catalogue.csv", **settings: str):
        """Write a file and run 02 to 05 on it."""
        return self.steps(*LANDING, NETFLIX_CSV=self.put(content, name), **settings)

    def refused(self, source: str, before: tuple | None = None, **settings: str):
        """Run 02 on a source that it must refuse; nothing but ops_runs may differ afterwards.

        `before` is (digests, tables) where they are known already.
        """
        before = before or (self.digests(), self.tables())
        result = self.step("02_create_raw_layer", NETFLIX_CSV=source, **settings)
        assert (result.returncode, result.stdout) == (20, ""), result.stderr
        assert result.stderr.startswith("raw       stopped: ")
        assert (self.digests(), self.tables()) == before
        self.assert_harmless_on_a_terminal(result)
        return result

    def assert_harmless_on_a_terminal(self, result: subprocess.CompletedProcess) -> None:
        """No control character but the line feed gets out, no traceback anywhere."""
        log = (self.root / "logs" / "pipeline.log").read_text()
        for text in (result.stdout, result.stderr, log):
            assert "Traceback" not in text
            assert all(c.isprintable() or c == "\n" for c in text)

    def batches(self) -> list[dict]:
        """The records of the snapshots, in the order in which they were written."""
        return self.records("raw/snapshots")

    def decisions(self) -> list[tuple[str, str]]:
        """(batch id, verdict) of each decision, in the order in which they were written."""
        return [(entry["batch_id"], entry["verdict"]) for entry in self.records("decisions")]

    def records(self, folder: str) -> list[dict]:
        paths = (self.root / "data" / folder).glob("[!.]*.json")
        records = [json.loads(path.read_text()) for path in paths]
        return sorted(records, key=lambda record: record["number"])

    def snapshot(self, batch: dict, columns: str = "*", kind: str = "parquet") -> list[tuple]:
        """Rows of a batch's snapshot, or of its rejects, in the order of the file."""
        if not batch[kind]:
            return []
        path = self.root / "data" / "raw" / "snapshots" / batch[kind]
        return duckdb.execute(
            f"SELECT {columns} FROM read_parquet(?) ORDER BY source_line", [str(path)]
        ).fetchall()

    def copy_of(self, other: "Pipeline") -> "Pipeline":
        """This pipeline, with the data and the warehouse of another."""
        shutil.copytree(other.root, self.root, symlinks=True, dirs_exist_ok=True)
        return self

    def query(self, sql: str) -> list[tuple]:
        with attach(self.root / "dw.db") as con:
            return con.execute(sql).fetchall()

    def hold_staging(self) -> None:
        """Let staging be tables of the warehouse, as in older versions: faults can be planted."""
        with duckdb.connect(str(self.root / "dw.db")) as con:
            files = [
                name for (name,) in con.execute("SELECT file_name FROM staging_files").fetchall()
            ]
            for view in sorted({name.split(".")[1] for name in files}):
                paths = [str(self.root / "dw.db.staging" / n) for n in files if f".{view}." in n]
                con.execute(f"DROP VIEW {view}")
                con.execute(f"CREATE TABLE {view} AS FROM read_parquet({paths})")
            con.execute("CREATE TABLE held AS FROM staging_records")
            con.execute("DROP VIEW staging_records; ALTER TABLE held RENAME TO staging_records")
            con.execute("DROP TABLE staging_parts; DROP TABLE staging_lines")
            con.execute("DROP TABLE staging_files; DROP TABLE IF EXISTS publishable_file")
        shutil.rmtree(self.root / "dw.db.staging")

    def digests(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file but the locks below these folders of the root (default: data)."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in folders or ("data",)
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file() and not path.name.endswith(".lock")
        }

    def tables(self, leave_out: str = RECORDS) -> dict[str, list[tuple]]:
        """The content of every table and view, sorted, but for those named in `leave_out`."""
        with attach(self.root / "dw.db") as con:
            names = con.execute(
                "SELECT table_name FROM duckdb_tables() "
                "UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
            ).fetchall()
            return {
                name: sorted(con.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
                for (name,) in names
                if name not in leave_out.split()
            }


def replace_everywhere(patch: pytest.MonkeyPatch, real: object, new: object) -> None:
    """Replace a function in each module of the rooms that has it; all are loaded first."""
    folder = PROJECT / "python"
    rooms = [path for path in folder.glob("*/*.py") if path.parent.name != "engines"]
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in rooms]
    for module in [import_module(name) for name in names]:
        for name in [name for name, value in vars(module).items() if value is real]:
            patch.setattr(module, name, new)


@pytest.fixture(scope="session", autouse=True)
def no_watch() -> Iterator[None]:
    """A step within this process leaves Ctrl-C to pytest."""
    with mock.patch("runner.signals.watch"):
        yield


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` filled, once for all workers of pytest-xdist."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, whole = root / name, root / f"{name}.whole"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


def run_night(folder: Path, *steps: str) -> None:
    """Take in 40 titles."""
    source = catalogue(*map(title, range(1, 41)))
    pipeline = Pipeline(folder, {"NEWEST_TITLE_DAYS": "36500"})
    done = pipeline.steps(*steps, NETFLIX_CSV=pipeline.put(source))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline that took in 40 titles, for tests to copy (`pipeline.copy_of(loaded_once)`)."""
    steps = (*LANDING, "06_merge_cdc")
    return Pipeline(make_once(tmp_path_factory, "loaded", lambda folder: run_night(folder, *steps)))


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline that published 40 titles, for tests to read or to copy."""
    steps = (*CHAIN, "08_build_analytics", "09_publish")
    return Pipeline(
        make_once(tmp_path_factory, "published", lambda folder: run_night(folder, *steps))
    )


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real catalogue files; tests that need it are skipped without it."""
    folder = os.environ.get("NETFLIX_REAL_DATA")
    if not folder:
        pytest.skip("NETFLIX_REAL_DATA names no folder with the real catalogue files")
    return Path(folder)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """report(area, fault, where, sees, code, after, times=1), called after the assertions.

    sees: the words that the user reads, as the step printed them; code: the exit code, or several
    ("1, 20"); after: the state that was found, in words; times: how often it was tried. Lines of
    equal area, fault and where become one, with their codes and states joined and times added.
    Kept only where RELIABILITY_RESULTS names a file, as `make reliability` does.
    """

    def line(
        area: str, fault: str, where: str, sees: str, code: object, after: str, times: int = 1
    ) -> None:
        target = os.environ.get("RELIABILITY_RESULTS")
        if target:
            test = request.node.nodeid.split("[")[0]
            row = [area, fault, where, sees, str(code), after, times, test]
            with Path(target).open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")  # one write, below the size of a pipe's atom

    return line


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The two days that tests/reliability breaks: one scene for all its files."""
    from faults import compiled_shim
    from scene import Scene

    root = tmp_path_factory.mktemp("scene")
    found = Scene(root, compiled_shim(root))
    yield found
    found.driver.__exit__()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page in each of its states (support/pages.py), for tests that look and change nothing."""
    from pages import Site, build_site

    folder = make_once(tmp_path_factory, "site", lambda folder: build_site(Pipeline(folder)))
    return Site(Pipeline(folder))


@pytest.fixture(scope="module")
def idle_tabs(browser) -> dict[str, list]:
    """Options -> tabs that no test uses now: a new one costs four times as much as a page in it."""
    return {}


@pytest.fixture
def look(browser, idle_tabs, site):
    """A function that opens the page of a state, and proves at the end that all was quiet.

    With `tab`, it opens it in that one, which the test has from here.
    """
    complaints, requests, used = [], [], []
    watches = {
        "dialog": lambda dialog: (complaints.append(dialog.message), dialog.dismiss()),
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: requests.append(request.url),
    }

    def take_tab(**options):
        idle = idle_tabs.setdefault(repr(options), [])
        tab = idle.pop() if idle else browser.new_context(**options).new_page()
        used.append((tab, idle))
        for event, watch in watches.items():
            tab.on(event, watch)
        return tab

    def open_page(state: str, address: str = "", tab=None, **options):
        tab = tab or take_tab(**{"viewport": {"width": 1280, "height": 900}} | options)
        tab.goto("about:blank")  # else another address of the same page would not load it again
        tab.goto(site.page(state).as_uri() + address)
        if options.get("java_script_enabled", True):
            tab.wait_for_selector("html[data-ready]")
        return tab

    yield open_page
    for tab, idle in used:
        tab.goto("about:blank")
        for event, watch in watches.items():
            tab.remove_listener(event, watch)
        idle.append(tab)
    assert complaints == []
    assert {url.split("#")[0] for url in requests} <= {
        path.as_uri() for path in site.folder.glob("*.html")
    }
