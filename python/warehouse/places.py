"""Find what is next to a warehouse's file."""

import shutil
from pathlib import Path


def find_staging(warehouse: Path) -> Path:
    """Return the folder with the rows of staging, which readers never get."""
    return Path(f"{warehouse.resolve()}.staging")


def find_log(warehouse: Path) -> Path:
    """Return DuckDB's write-ahead log, which is next to the file, not to a link to it."""
    return Path(f"{warehouse.resolve()}.wal")


def remove_warehouse(warehouse: Path) -> None:
    """Remove the file, its write-ahead log, and the files of its staging."""
    for path in (find_log(warehouse), warehouse):
        path.unlink(missing_ok=True)
    shutil.rmtree(find_staging(warehouse), ignore_errors=True)
