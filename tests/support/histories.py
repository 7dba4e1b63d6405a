"""A history without its files' way there: snapshots are lists of records, merged in memory.

What steps 02 and 05 add (reading a CSV, their own transaction and run record) is tested elsewhere;
without it a snapshot costs a tenth of a second, so that hundreds of them can be tried.
"""

import hashlib
import io
import logging
import shutil
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from unittest import mock

import duckdb
from conftest import PROJECT

from config import load_settings
from errors import StepError
from history.plan import compare_with_history, copy_state
from ingest import manifest
from ingest.manifest import Batch
from ingest.state import load_state
from runner.step import Step
from warehouse import database

FIRST_DAY = datetime(2020, 1, 1)
SEPARATOR = "\x1e"  # in no value


class RolledBack(Exception):
    """Ends a transaction that was only tried."""


class OnlyTried:
    """A connection that keeps nothing of what was done on it, and stays open."""

    def __init__(self, con: database.Warehouse) -> None:
        self.con = con

    def __getattr__(self, name: str):
        return getattr(self.con, name)

    def execute(self, sql: str, values: list | None = None):
        return self.con.execute("ROLLBACK" if sql == "COMMIT" else sql, values)

    def close(self) -> None:
        pass


class History:
    """A raw layer in a folder and a warehouse in memory; `settings` hold for all that is done."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.given = {
            "DATA_DIR": str(folder / "data"),
            "WAREHOUSE_PATH": str(folder / "dw.db"),
            "LOG_DIR": str(folder / "logs"),
            "DUCKDB_THREADS": "1",
            **settings,
        }
        self.settings = load_settings(self.given)
        self.settings.snapshots.mkdir(parents=True, exist_ok=True)
        self.con = database.connect(":memory:", self.settings, [folder, PROJECT / "sql"])
        database.run_file(self.con, "ops.sql")

    def land(self, rows: list[dict], day: int, rejected: list[str] = ()) -> Batch:
        """A snapshot of that day (from 1) with these records, as step 02 leaves it.

        It lands a second after the last record that there is, whatever its day.
        """
        columns = list(rows[0])
        at = FIRST_DAY + timedelta(days=day - 1)
        landed_at = FIRST_DAY + timedelta(seconds=len(load_state(self.settings).records))
        digest = hashlib.sha256(repr((rows, rejected)).encode()).hexdigest()
        name = f"{at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
        # One text for each column: a list of texts is bound as slowly as one INSERT a row.
        values = [SEPARATOR.join(row[column] or "" for row in rows) for column in columns]
        named = [
            f"nullif(unnest(string_split(?, '{SEPARATOR}')), '') AS {database.identifier(column)}"
            for column in columns
        ]
        parquet = self.write(
            f"{name}.parquet",
            f"SELECT {', '.join(named)}, unnest(range(2, ?)) AS source_line, "
            "'made-up.csv' AS source_file, ? AS batch_id",
            [*values, len(rows) + 2, name],
        )
        rejects = rejected and self.write(
            f"{name}.rejects.parquet",
            f"SELECT unnest(string_split(?, '{SEPARATOR}')) AS raw_text",
            [SEPARATOR.join(rejected)],
        )
        batch = Batch(
            batch_id=name,
            snapshot_at=at,
            landed_at=landed_at,
            source="made-up.csv",
            source_sha256=digest,
            source_bytes=1,
            ends_with_newline=True,
            etag=None,
            last_modified=None,
            parquet=parquet[0],
            parquet_sha256=parquet[1],
            parquet_bytes=parquet[2],
            rejects=rejects[0] if rejects else None,
            rejects_sha256=rejects[1] if rejects else None,
            rejects_bytes=rejects[2] if rejects else None,
            records=len(rows) + len(rejected),
            raw_rows=len(rows),
            rejected=len(rejected),
            encoding="utf-8",
            repaired_lines=0,
            header=columns,
            columns=columns,
            versions={},
        )
        manifest.add_batch(self.settings, batch)
        return batch

    def write(self, name: str, query: str, values: list) -> tuple[str, str, int]:
        """A Parquet file among the snapshots; its name, its SHA-256 and its size."""
        path = self.settings.snapshots / name
        target = database.literal(path)
        self.con.execute(f"COPY ({query}) TO {target} (FORMAT parquet)", values)
        return name, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size

    def merge(self, keep: bool = True, **settings: str) -> Step:
        """What step 06 does, in one transaction; it stages what it merges from the snapshots.

        Afterwards the numbers of all merges are those of the history. Without `keep` all is rolled
        back once `step.message` and its like are known.
        """
        log = logging.Logger("test")
        step = Step("merge", load_settings(self.given | settings), "test", log, self.con)
        with suppress(RolledBack), database.transaction(self.con):
            import_module("06_merge_cdc").run(step)
            wrong = self.con.execute(database.read_sql("checks/merges_add_up.sql")).fetchall()
            assert not wrong, wrong
            if not keep:
                raise RolledBack
        return step

    def plan(self, **settings: str) -> tuple[int, str]:
        """What `make plan` says of `merge` with these settings: exit code and text."""
        scratch, out = self.settings.data_dir.parent / "plan", io.StringIO()
        scratch.mkdir()
        copy_state(self.settings, scratch)
        folders = {"DATA_DIR": str(scratch / "data"), "LOG_DIR": str(scratch / "logs")}
        with (
            mock.patch("history.plan.connect", lambda *_: OnlyTried(self.con)),
            redirect_stdout(out),
            redirect_stderr(out),
        ):
            try:
                code = compare_with_history(load_settings(self.given | folders | settings))
            except StepError as error:
                code = error.exit_code
                print(error)
        shutil.rmtree(scratch)
        return code, out.getvalue()

    def forget(self, landed: int) -> None:
        """Let only the first so many snapshots have been landed, and nothing decided since."""
        state = load_state(self.settings)
        batches = [r for r in state.records if "parquet" in r.fields]
        for record in state.records[state.records.index(batches[landed]) :]:
            record.path.unlink()

    def take(self, rows: list[dict[str, str]], day: int, **settings: str) -> Step:
        """Land and merge one snapshot."""
        self.land(rows, day)
        return self.merge(**settings)

    def query(self, sql: str, values: list | None = None) -> list[tuple]:
        return self.con.execute(sql, values).fetchall()

    def content(self) -> dict[str, list[tuple]]:
        """What a history is: all columns of all its rows, sorted."""
        return content(self.con)


def content(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    """All columns of the history, the change feed and the merge records, sorted."""
    return {
        name: sorted(con.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
        for name in ("analytics_netflix_history", "cdc_netflix_changes", "ops_merges")
    }
