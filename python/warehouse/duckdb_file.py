"""Open the DuckDB file: hardened, at most one writer, one transaction at a time."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from opcode import opmap
from pathlib import Path
from typing import Any

import duckdb

from config import PROJECT, Settings
from errors import LockedError, StepError
from warehouse.quoting import literal

# The storage format that every DuckDB 1.x, and so the BI tools of today, can open.
STORAGE_VERSION = "v1.0.0"
# Of what a step may use. DuckDB does not count all that it takes: up to 0.75 GB more were measured
# where a join of 10,000,000 rows was at its limit, be it of 2 GB or of 4 GB.
MEMORY_SHARE = 0.7
CHANGED_BY_STEPS = ("preserve_insertion_order", "force_compression")  # all else is locked
SMALL_BYTES = 4_000_000  # of the newest snapshot: some 70,000 titles


class PandasForImportsOnly:
    """An import hook: `import pandas` finds pandas, DuckDB does not. It would cost a night 0.4 s.

    DuckDB imports pandas, where it is installed, at the first value that is bound, only to know its
    NaT. Then our code stands at a call, not at an import statement.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name != "pandas":
            return
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        is_import = frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_NAME"]
        if not is_import and frame.f_code.co_filename.startswith(f"{PROJECT}/python/"):
            raise ModuleNotFoundError("not needed by DuckDB", name=name)


class DuckDBWarehouse:
    """A DuckDB connection as a Warehouse (warehouse/engine.py); what is not here is its own."""

    has_transactions = True

    def __init__(self, con: duckdb.DuckDBPyConnection):
        self.con = con

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)

    def objects(self) -> list[tuple[str, bool]]:
        return self.con.execute(
            "SELECT table_name, false FROM duckdb_tables() "
            "UNION ALL SELECT view_name, true FROM duckdb_views() WHERE NOT internal"
        ).fetchall()

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> bool:
        row = self.con.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [view])
        if (definition := row.fetchone()) and literal(path) in definition[0]:
            return False
        self.con.execute(
            f"CREATE OR REPLACE {'TEMP ' if temporary else ''}VIEW {view} AS "
            f"SELECT * FROM read_parquet({literal(path)}, hive_partitioning = false)"
        )
        return True

    def as_duckdb(self, *prefixes: str) -> "DuckDBWarehouse":
        return self


def connect(
    path: Path | str, settings: Settings, reads: Collection[Path] = (), read_only: bool = False
) -> DuckDBWarehouse:
    """Open a DuckDB file (or ":memory:") that may touch no other file than those below `reads`.

    Extensions are never installed or loaded from outside, temporary files stay beside the
    warehouse, and no statement can change that. Raises LockedError while another process has the
    file open.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "memory_limit": f"{int(MEMORY_SHARE * settings.duckdb_memory_limit)}B",
        "temp_directory": f"{settings.warehouse_path}.tmp",
    }
    if not read_only:
        config["storage_compatibility_version"] = STORAGE_VERSION
    if settings.duckdb_threads:
        config["threads"] = settings.duckdb_threads
    if path != ":memory:" and not read_only:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if PandasForImportsOnly not in sys.meta_path:
        sys.meta_path.insert(0, PandasForImportsOnly)
    try:
        con = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.IOException as error:
        if held := describe_lock(path, error):
            raise held from None
        raise StepError(
            f"{path} cannot be opened: {str(error).splitlines()[0]}. Nothing was written to it. "
            "If it is damaged: `make rebuild` restores it from the raw snapshots."
        ) from None
    if path != ":memory:" and not read_only:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")  # a step does that where it pays
    con.execute(f"SET force_compression = {literal(text_codec(settings))}")
    linked = [place.resolve() for place in reads]  # DuckDB compares the names behind a link
    folders = ", ".join(literal(place) for place in (*reads, *linked))
    con.execute(f"SET allowed_directories = [{folders}]")
    # DuckDB 1.5.6 finds no row by ORDER BY ... LIMIT 1 where the row group with the highest value
    # holds deleted rows only: this pruning counts them (tests/history/test_history_extra.py).
    con.execute("SET disabled_optimizers = 'row_group_pruner'")
    con.execute("SET enable_external_access = false")
    con.execute(f"SET allowed_configs = [{', '.join(map(literal, CHANGED_BY_STEPS))}]")
    con.execute("SET lock_configuration = true")
    return DuckDBWarehouse(con)


def text_codec(settings: Settings) -> str:
    """How every text is stored, instead of as the best of all codecs tried on each column.

    FSST writes a fifth faster than that, 5 % larger, and is read as fast. Where there is little
    text, a dictionary takes a tenth less of a whole night again.
    """
    try:
        small = settings.latest.stat().st_size < SMALL_BYTES
    except OSError:  # nothing was landed yet
        small = True
    return "dictionary" if small else "fsst"


def describe_lock(path: Path | str, error: duckdb.Error) -> LockedError | None:
    """What to raise where a database could not be opened because another process has it open."""
    if "Could not set lock on file" not in str(error):
        return None
    holder = str(error).split("Conflicting lock is held in ")[-1].split(". See")[0]
    return LockedError(
        f"{path} is open in another program ({holder}); nothing was written to it. "
        "Close it there, or read the published copy instead, and run the step again."
    )


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """BEGIN ... COMMIT; ROLLBACK when the block, or the COMMIT itself, raises."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.TransactionException):  # a failed COMMIT has rolled back already
            con.execute("ROLLBACK")
        raise
