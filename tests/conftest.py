"""What the tests share: a pipeline in a temporary folder, run as a user runs it."""

import hashlib
import io
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parent.parent
LANDING = ("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql")
CHAIN = (*LANDING, "06_merge_cdc", "07_monitor_pipeline")


@dataclass
class Pipeline:
    """One data folder, one warehouse; steps run with exactly these settings."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(self.root / "data"),
            "WAREHOUSE_PATH": str(self.root / "dw.db"),
            "LOG_DIR": str(self.root / "logs"),
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
                runpy.run_path(str(path), run_name="__main__")
            except SystemExit as end:
                code = end.code or 0
        return subprocess.CompletedProcess(name, code, out.getvalue(), err.getvalue())

    def process(self, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run python/<name>.py as its own process, as make does."""
        return subprocess.run(
            [sys.executable, str(PROJECT / "python" / f"{name}.py"), *arguments],
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

    def land(self, content: bytes, name: str = "catalogue.csv", **settings: str):
        """Write a file and run 02 to 05 on it."""
        path = self.root / name
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))  # long finished, not "still being written"
        return self.steps(*LANDING, NETFLIX_CSV=str(path), **settings)

    def query(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.root / "dw.db"), read_only=True) as con:
            return con.execute(sql).fetchall()

    def digests(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file below the given folders of the root (default: data)."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in folders or ("data",)
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file()
        }

    def tables(self, leave_out: str = "ops_runs") -> dict[str, list[tuple]]:
        """The content of every table and view, sorted, but for those named in `leave_out`."""
        names = [row[0] for row in self.query("SELECT table_name FROM duckdb_tables()")]
        names += [
            row[0] for row in self.query("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        ]
        return {
            name: sorted(self.query(f'SELECT * FROM "{name}"'), key=repr)
            for name in sorted(names)
            if name not in leave_out.split()
        }


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real catalogue files; tests that need it are skipped without it."""
    folder = os.environ.get("NETFLIX_REAL_DATA")
    if not folder:
        pytest.skip("NETFLIX_REAL_DATA names no folder with the real catalogue files")
    return Path(folder)
