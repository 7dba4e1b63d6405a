"""Which engine holds the warehouse, and what the steps use of it."""

from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from config import Settings
from errors import SettingsError
from warehouse.duckdb_file import DuckDBWarehouse, connect


class Warehouse(Protocol):
    """A session on an engine: what the steps use of a DuckDB connection, and what differs."""

    has_transactions: bool  # that undo what a step that died has done; else its statements stay
    description: Sequence[tuple]

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "Warehouse":
        """Run DuckDB's SQL; the result is that of the last statement."""

    def fetchone(self) -> tuple | None: ...
    def fetchmany(self, size: int) -> list[tuple]: ...
    def fetchall(self) -> list[tuple]: ...
    def close(self) -> None: ...

    def objects(self) -> Iterable[tuple[str, bool]]:
        """List (name, whether it is a view) of all tables and views."""

    def show_parquet(self, view: str, path: Path, temporary: bool = False) -> bool:
        """Make a view (where the engine copies files in, a table) of a Parquet file's rows.

        A view that is of this file already stays, as making it again would write it again. Whether
        one was made.
        """

    def as_duckdb(self, *prefixes: str) -> DuckDBWarehouse:
        """Return a DuckDB connection with the tables and views whose names begin so.

        What another engine holds is copied, once in a session, as tables.
        """


def open_warehouse(
    settings: Settings, reads: Collection[Path] = (), read_only: bool = False
) -> Warehouse:
    """Open the warehouse on the engine that WAREHOUSE names; for the arguments see `connect`.

    Raises SettingsError where the packages of that engine are missing.
    """
    engine = settings.warehouse
    if engine == "duckdb":
        return connect(settings.warehouse_path, settings, reads, read_only)
    try:
        session = import_module(f"engines.{engine}").connect(settings)
    except ImportError as error:
        raise SettingsError(
            f"{error}: WAREHOUSE={engine} needs what python/engines/requirements/{engine}.txt "
            "lists installed, too"
        ) from None
    session.settings, session.reads = settings, reads
    return session


def has_warehouse(settings: Settings) -> bool:
    """Whether there is a warehouse; another engine is there, or cannot be reached at all."""
    return settings.warehouse != "duckdb" or settings.warehouse_path.exists()


def require_duckdb(settings: Settings, what: str, instead: str) -> None:
    """Raises SettingsError where WAREHOUSE is another engine, which `what` does not work on."""
    if settings.warehouse != "duckdb":
        raise SettingsError(
            f"WAREHOUSE is {settings.warehouse!r}; `{what}` works on DuckDB's file only. {instead}"
        )
