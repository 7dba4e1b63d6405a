"""Quote for the database, open it on the engine that WAREHOUSE names, and run SQL in it."""

import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from opcode import opmap
from pathlib import Path
from typing import Any, Protocol

import duckdb

from column import Column
from config import PROJECT, SQL, Settings
from errors import LockedError, SettingsError, StateError
from warehouse.columns import expand_columns
from warehouse.places import find_staging


def identifier(name: str) -> str:
    """Quote a name as a SQL identifier: the only way for a name from a file into a statement."""
    if not name or "\0" in name:
        raise ValueError(f"not usable as a column name: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """Quote a text as a SQL string, for the few statements (COPY, views) without parameters."""
    return "'" + str(text).replace("'", "''") + "'"


STORAGE_VERSION = "v1.0.0"  # of the file: every DuckDB 1.x opens it, and so do today's BI tools
# Of DUCKDB_MEMORY_LIMIT: a join of 10,000,000 rows, limited to 2 or 4 GB, took up to 0.75 GB more.
MEMORY_SHARE = 0.7
CHECKPOINT_SIZE = "100kB"  # of the write-ahead log; a checkpoint takes 10 ms of a step of 50
THREAD_BYTES = 32_000_000  # what a thread needs to read CSV and write Parquet
CHANGED_BY_STEPS = ("preserve_insertion_order", "force_compression")  # all others are locked
READER_WAIT_S, POLL_S = 10.0, 0.02  # how long a step waits for a reader of the file
# Of the newest snapshot. Below the first, some 15,000 titles, one thread is as fast as two and
# takes a fifth less CPU. Below the second, text is stored with a dictionary, else by FSST: DuckDB,
# which tries all codecs on each column, takes a fifth longer for 5 % less, and reads no faster.
ONE_THREAD_BYTES, DICTIONARY_BYTES = 2_000_000, 4_000_000


class PandasForImportsOnly:
    """An import hook that hides pandas from DuckDB, as importing it would cost 0.4 s a night.

    If pandas is installed, DuckDB imports it at the first bound value, only to know its NaT. Our
    code is then at a call, not at an import statement.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name != "pandas":
            return
        frame: Any = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        is_import = frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_NAME"]
        if not is_import and frame.f_code.co_filename.startswith(f"{PROJECT}/python/"):
            raise ModuleNotFoundError("not needed by DuckDB", name=name)


class DuckDBWarehouse:
    """A DuckDB connection as a Warehouse (see below); it has all of the connection's methods."""

    has_transactions = True

    def __init__(self, con: duckdb.DuckDBPyConnection, staging: Path = Path()):
        self.con, self.staging = con, staging

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)

    def objects(self) -> list[tuple[str, bool]]:
        return self.con.execute(
            "SELECT table_name, false FROM duckdb_tables() "
            "UNION ALL SELECT view_name, true FROM duckdb_views() WHERE NOT internal"
        ).fetchall()

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> None:
        row = self.con.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [view])
        if (definition := row.fetchone()) and literal(path) in definition[0]:
            return
        self.con.execute(
            f"CREATE OR REPLACE {'TEMP ' if temporary else ''}VIEW {view} AS "
            f"SELECT * FROM read_parquet({literal(path)}, hive_partitioning = false)"
        )

    def as_duckdb(self, *prefixes: str) -> "DuckDBWarehouse":
        return self


def connect(
    path: Path | str,
    settings: Settings,
    reads: Collection[Path] = (),
    read_only: bool = False,
    waits: bool = True,
) -> DuckDBWarehouse:
    """Open a DuckDB file (or ":memory:") that can touch its staging and the files below `reads`.

    Extensions are never installed or loaded from outside, temporary files stay next to the
    warehouse, and no statement can change that. Raises LockedError if another process has the file
    open; with `waits` only after READER_WAIT_S. Raises StateError if the file is damaged.
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
        config["checkpoint_threshold"] = CHECKPOINT_SIZE
    landed = settings.latest.stat().st_size if settings.latest.exists() else 0
    is_tiny = path != ":memory:" and 0 < landed < ONE_THREAD_BYTES  # in memory a file is landed
    most = max(settings.duckdb_memory_limit // THREAD_BYTES, 1)
    threads = settings.duckdb_threads or (1 if is_tiny else os.cpu_count() or 1)
    if settings.duckdb_threads or is_tiny or threads > most:  # else DuckDB takes one per core
        config["threads"] = min(threads, most)
    if path != ":memory:" and not read_only:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if PandasForImportsOnly not in sys.meta_path:
        sys.meta_path.insert(0, PandasForImportsOnly)
    deadline = time.monotonic() + READER_WAIT_S
    while True:
        try:
            con = duckdb.connect(str(path), read_only=read_only, config=config)
            break
        except duckdb.IOException as error:
            held = describe_lock(path, error)
            if held and not (waits and time.monotonic() < deadline):
                raise held from None
            if not held:
                raise StateError(
                    f"{path} cannot be opened: {str(error).splitlines()[0]}. Nothing was written "
                    "to it. If it is damaged: `make rebuild` restores it from the raw snapshots."
                ) from None
        time.sleep(POLL_S)
    if path != ":memory:" and not read_only:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
    codec = "dictionary" if landed < DICTIONARY_BYTES else "fsst"
    con.execute(f"SET force_compression = {literal(codec)}")
    staging = find_staging(settings.warehouse_path if path == ":memory:" else Path(path))
    folders = [*reads, *(folder.resolve() for folder in reads), staging]  # DuckDB compares these
    con.execute(f"SET allowed_directories = [{', '.join(map(literal, folders))}]")
    # DuckDB 1.5.6 finds no row by ORDER BY ... LIMIT 1 if the row group with the highest value has
    # only deleted rows: this pruning counts them (tests/history/test_history_extra.py).
    con.execute("SET disabled_optimizers = 'row_group_pruner'")
    # It also keeps a removed file's statistics for a new one that gets its name and its inode.
    con.execute("SET enable_external_file_cache = false")
    con.execute("SET enable_external_access = false")
    con.execute(f"SET allowed_configs = [{', '.join(map(literal, CHANGED_BY_STEPS))}]")
    con.execute("SET lock_configuration = true")
    return DuckDBWarehouse(con, staging)


def describe_lock(path: Path | str, error: duckdb.Error) -> LockedError | None:
    """Return the error to raise if another process has the database open, else None."""
    if "Could not set lock on file" not in str(error):
        return None
    holder = str(error).split("Conflicting lock is held in ")[-1].split(". See")[0]
    return LockedError(
        f"{path} is open in another program ({holder}); nothing was written to it. "
        "Close it there, or read the published copy instead, and run the step again."
    )


@contextmanager
def transaction(con: "Warehouse") -> Iterator[None]:
    """Run the block in a transaction; roll back if the block, or the COMMIT itself, raises."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.TransactionException):  # a failed COMMIT has rolled back already
            con.execute("ROLLBACK")
        raise


class Warehouse(Protocol):
    """A session on an engine: what the steps use of a DuckDB connection, and what differs."""

    has_transactions: bool  # if not, the statements of a step that died stay
    staging: Path  # the folder of staging's files, with DuckDB
    description: Sequence[tuple]

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "Warehouse":
        """Run DuckDB's SQL; the result is that of the last statement."""

    def fetchone(self) -> Any: ...  # a tuple, or None after the last row
    def fetchmany(self, size: int) -> list[tuple]: ...
    def fetchall(self) -> list[tuple]: ...
    def close(self) -> None: ...

    def objects(self) -> Iterable[tuple[str, bool]]:
        """List (name, whether it is a view) of all tables and views."""

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> None:
        """Create a view of a Parquet file's rows (a table, if the engine copies files in).

        A view that shows this file already stays.
        """

    def as_duckdb(self, *prefixes: str) -> DuckDBWarehouse:
        """Return a DuckDB connection with the tables and views whose names have these prefixes.

        Those of another engine are copied as tables, once per session.
        """


def open_warehouse(
    settings: Settings,
    reads: Collection[Path] = (),
    read_only: bool = False,
    waits: bool = True,
) -> Warehouse:
    """Open the warehouse on the engine that WAREHOUSE names; see `connect` for the arguments.

    Raises SettingsError if the packages of that engine are missing.
    """
    engine = settings.warehouse
    if engine == "duckdb":
        return connect(settings.warehouse_path, settings, reads, read_only, waits)
    try:
        session = import_module(f"engines.{engine}").connect(settings)
    except ImportError as error:
        raise SettingsError(
            f"{error}: WAREHOUSE={engine} needs what python/engines/requirements/{engine}.txt lists"
        ) from None
    session.settings, session.reads = settings, reads
    return session


def has_warehouse(settings: Settings) -> bool:
    """Return whether there is a warehouse; another engine always counts as one."""
    return settings.warehouse != "duckdb" or settings.warehouse_path.exists()


def require_duckdb(settings: Settings, what: str, instead: str) -> None:
    """Raise SettingsError if WAREHOUSE is another engine, which the command `what` cannot use."""
    if settings.warehouse != "duckdb":
        raise SettingsError(
            f"WAREHOUSE is {settings.warehouse!r}; `{what}` works on DuckDB's file only. {instead}"
        )


def read_sql(name: str, columns: Sequence[Column] = ()) -> str:
    """Return the text of sql/<name>, with its marked lines repeated for these columns."""
    return expand_columns((SQL / name).read_text(encoding="utf-8"), columns)


def run_file(
    con: Warehouse,
    name: str,
    variables: Mapping[str, Any] | None = None,
    columns: Sequence[Column] = (),
) -> None:
    """Run sql/<name>; its statements read `variables` with getvariable().

    Marked lines are repeated for `columns` (warehouse/columns.py). The file opens no transaction:
    it runs in the caller's, which run_step opens.
    """
    set_variables(con, variables or {})
    con.execute(read_sql(name, columns))


def fetch_file(con: Warehouse, name: str, columns: Sequence[Column] = ()) -> list[dict[str, Any]]:
    """Return the rows of the query in sql/<name> as dicts; for results of a readable size."""
    cursor = con.execute(read_sql(name, columns))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def set_variables(con: Warehouse, variables: Mapping[str, Any]) -> None:
    """Set session variables; a list is a list of texts, even if it is empty."""
    for name, value in variables.items():
        bound = "CAST(? AS VARCHAR[])" if isinstance(value, list) else "?"
        con.execute(f"SET VARIABLE {identifier(name)} = {bound}", [value])


def table_names(con: Warehouse) -> list[str]:
    """Return the names of all tables and views."""
    return [name for name, _ in con.objects()]


def has_tables(con: Warehouse, *names: str) -> bool:
    """Return whether all of these tables exist: the step that creates them may not have run."""
    return {name for name, is_view in con.objects() if not is_view}.issuperset(names)
