"""Which engine holds the warehouse."""

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection

from config import Settings
from errors import SettingsError
from warehouse.duckdb_file import connect

if TYPE_CHECKING:
    from engines.base import Adapter


def open_warehouse(
    settings: Settings, reads: Collection[Path] = (), read_only: bool = False
) -> "DuckDBPyConnection | Adapter":
    """The warehouse, on the engine that WAREHOUSE names; for the arguments see `connect`.

    What an adapter gives has the methods of a DuckDB connection that the steps use.
    """
    if settings.warehouse == "duckdb":
        return connect(settings.warehouse_path, settings, reads, read_only)
    try:
        adapter = import_module(f"engines.{settings.warehouse}")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error}: WAREHOUSE={settings.warehouse} needs what "
            f"requirements-{settings.warehouse}.txt lists installed, too"
        ) from None
    return adapter.connect(settings)


def has_warehouse(settings: Settings) -> bool:
    """Whether there is a warehouse; another engine is there, or cannot be reached at all."""
    return settings.warehouse != "duckdb" or settings.warehouse_path.exists()


def require_duckdb(settings: Settings, what: str, instead: str) -> None:
    """Raises SettingsError where WAREHOUSE is another engine, which `what` does not work on."""
    if settings.warehouse != "duckdb":
        raise SettingsError(
            f"WAREHOUSE is {settings.warehouse!r}; `{what}` works on DuckDB's file only. {instead}"
        )


def is_duckdb(con: "DuckDBPyConnection | Adapter") -> bool:
    """Whether this is DuckDB itself: one transaction holds all that a step does."""
    return isinstance(con, DuckDBPyConnection)
