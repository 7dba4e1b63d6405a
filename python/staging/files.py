"""Keep staged rows as Parquet files next to DuckDB's file: no byte of them is in what is published.

A night adds one file of staging_parts, with the rows of new and changed records, and writes
staging_lines again: which row is where in the snapshot. Files are never changed. The views and
staging_files name them in the step's transaction: what they do not name does not count, and the
next staging removes it. Other engines have tables instead.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from column import Column
from errors import NotReady
from runner.files import parquet_options, sha256, sync
from runner.signals import at_interrupt
from runner.step import Step
from warehouse.database import (
    Warehouse,
    fetch_file,
    has_tables,
    identifier,
    literal,
    read_sql,
    run_file,
    set_variables,
    table_names,
)
from warehouse.places import find_staging

PARTS, LINES, TITLES = "staging_parts", "staging_lines", "staging_netflix_titles"
TABLES = (LINES, "staging_netflix_quarantine", "staging_lost_in_cast")  # written each night
VIEWS = (TITLES, "staging_records")  # over the files
NAMES = "|".join((*TABLES, *VIEWS))
OF_FILES = re.compile(
    rf"(?m)^(CREATE (?:OR REPLACE )?)(?=(?:TABLE|VIEW) (?:IF NOT EXISTS )?(?:{NAMES})\b)"
)
ANY = "[0-9]*.staging_*.parquet"
LINE_BITS = 40  # of a record_id; the others are the number of its part
MOST_PARTS = 30  # each read opens all of them


def run_staging_file(con: Warehouse, name: str, columns: Sequence[Column]) -> None:
    """Run sql/staging/<name>.sql; in DuckDB, what is to be a file is temporary until it is kept."""
    sql = read_sql(f"staging/{name}.sql", columns)
    con.execute(OF_FILES.sub(r"\1TEMP ", sql) if con.has_transactions else sql)


def list_files(con: Warehouse) -> list[tuple[str, int, str]]:
    """List name, size and SHA-256 of the files that staging consists of."""
    if "staging_files" not in table_names(con):
        return []
    return con.execute("SELECT file_name, size_bytes, sha256 FROM staging_files").fetchall()


def count_parts(con: Warehouse) -> int:
    return sum(f".{PARTS}." in name for name, *_ in list_files(con))


def find_damaged_file(con: Warehouse, read: bool) -> str:
    """Say which file is not as it was written, "" if all are; `read` compares the digests, too."""
    for name, size, digest in list_files(con):
        path = con.staging / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != size or (read and sha256(path) != digest):
            return f"{path} is damaged"
    return ""


def require_whole_staging(con: Warehouse, read: bool) -> None:
    """Raise NotReady if a file of staging is not as it was written; without `read`, by its size."""
    if damaged := con.has_transactions and find_damaged_file(con, read):
        raise NotReady(f"{damaged}; `make staging` builds it again from the raw snapshot")


def show_staging(step: Step, con: Warehouse, read: bool) -> None:
    """Let the views show the files where they are now; forget them all if one is damaged.

    Then staging is built again from the raw snapshot.
    """
    if damaged := con.has_transactions and find_damaged_file(con, read):
        step.note(f"{damaged}: every record is staged again")
        forget_staging(con)
    point_views(con)


def forget_staging(con: Warehouse) -> None:
    """Remove the names of the files, and tables of an older version with the same names."""
    for name, is_view in list(con.objects()):
        if name in (PARTS, *TABLES, *VIEWS, "staging_counts", "staging_files"):
            con.execute(f"DROP {'VIEW' if is_view else 'TABLE'} {identifier(name)}")


def fetch_quarantined(con: Warehouse, report: str) -> list[dict[str, Any]]:
    """Return the rows of a report on the quarantine; the published copy has none.

    Raises NotReady if the files cannot be read.
    """
    if "staging_netflix_quarantine" not in table_names(con):
        return []
    try:
        point_views(con, temporary=True)  # the warehouse is open for reading only
        return fetch_file(con, report)
    except duckdb.Error:
        raise NotReady("the files of staging are lost or damaged: run `make staging`") from None


def point_views(con: Warehouse, temporary: bool = False) -> None:
    """Let the views show the files where they are now: the warehouse may have been moved."""
    paths: dict[str, list[Path]] = {}
    for name, *_ in list_files(con):
        paths.setdefault(name.split(".")[1], []).append(con.staging / name)
    query = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND temporary = ?"
    shown = dict(con.execute(query, [temporary]).fetchall()) if paths else {}
    for view, files in paths.items():
        if not all(literal(path) in shown.get(view, "") for path in files):
            show_files(con, view, files, temporary)


def use_attached(con: Warehouse, name: str, warehouse: Path) -> None:
    """Let names without a database mean those of an attached warehouse, and its files."""
    con.execute(f"USE {identifier(name)}")
    con.staging = find_staging(warehouse)
    point_views(con, temporary=True)


def show_files(con: Warehouse, view: str, paths: list[Path], temporary: bool) -> None:
    """Create a view of the rows of these files."""
    names = ", ".join(map(literal, paths))
    con.execute(
        f"CREATE OR REPLACE {'TEMP ' if temporary else ''}VIEW {view} AS "
        f"SELECT * FROM read_parquet([{names}], hive_partitioning = false)"
    )


def stage_part(con: Warehouse, columns: Sequence[Column], reuse: bool) -> None:
    """Write the rows of the records to stage to a file; with `reuse` it is added to the others.

    Until keep_staging(), the file has a temporary name, and its view and staging_lines are those
    of this session.
    """
    folder = con.staging
    folder.mkdir(exist_ok=True)
    remove_unnamed_files(con)
    numbers = [int(path.name.lstrip(".").split(".")[0]) for path in folder.glob(ANY)]
    number = max(numbers, default=0) + 1
    remove_temporary_files(con)
    named = [name for name, *_ in list_files(con) if reuse and f".{PARTS}." in name]
    set_variables(con, {"staging_number": number, "first_record_id": number << LINE_BITS})
    set_variables(con, {"reused_parts": named})
    (about,) = con.execute("SELECT count(*) FROM raw_netflix_titles").fetchone()
    path = temporary_file(con, number, PARTS)
    paths = [folder / name for name in named]
    if write_rows(con, read_sql("staging/part.sql", columns), path, about) or not paths:
        paths.append(path)
    else:
        path.unlink()
    show_files(con, PARTS, paths, temporary=True)


def write_rows(con: Warehouse, query: str, path: Path, about: int = 1 << 20) -> int:
    """Write the rows of a query, about so many, as Parquet; return how many they are."""
    options = parquet_options(about)
    return con.execute(f"COPY ({query}) TO {literal(path)} ({options})").fetchone()[0]


def temporary_file(con: Warehouse, number: int, view: str) -> Path:
    return con.staging / f".{number:06}.{view}.tmp"


def remove_unnamed_files(con: Warehouse) -> None:
    """Remove the files of the night before the last, and of a run that died."""
    named = {name for name, *_ in list_files(con)}
    for path in con.staging.glob(ANY) if named else ():  # a rebuild does not know them yet
        if path.name not in named:
            path.unlink()


def remove_temporary_files(con: Warehouse) -> None:
    for path in con.staging.glob(".*.staging_*.tmp"):
        path.unlink(missing_ok=True)


@contextmanager
def keep_staging(con: Warehouse, columns: Sequence[Column]) -> Iterator[None]:
    """Keep in the files what the block stages; if it raises, nothing of it."""
    if not con.has_transactions:
        yield
        return
    with at_interrupt(lambda _: remove_temporary_files(con)):
        try:
            yield
            query = "SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name = ?"
            if con.execute(query, [LINES]).fetchone()[0]:
                name_files(con, columns)
        finally:
            remove_temporary_files(con)


def name_files(con: Warehouse, columns: Sequence[Column]) -> None:
    """Give this session's files their names, and the warehouse's views to them."""
    query = "SELECT getvariable('staging_number'), getvariable('reused_parts')"
    number, reused = con.execute(query).fetchone()
    rows = [row for row in list_files(con) if row[0] in reused]
    for view in (PARTS, *TABLES):
        temporary = temporary_file(con, number, view)
        if view != PARTS:
            write_rows(con, f"FROM temp.{view}", temporary)
        elif not temporary.exists():  # no record was new
            continue
        path = con.staging / f"{number:06}.{view}.parquet"
        sync(temporary)
        rows.append((path.name, temporary.stat().st_size, sha256(temporary)))
        temporary.rename(path)
    sync(con.staging)
    for name in (*VIEWS, PARTS):
        con.execute(f"DROP VIEW temp.{name}")
    for name in TABLES:
        con.execute(f"DROP TABLE temp.{name}")
    drop_old_tables(con)
    run_file(con, "staging/files.sql")
    for row in rows:
        con.execute("INSERT INTO staging_files VALUES (?, ?, ?)", row)
    point_views(con)
    for name in ("records", "titles"):
        run_file(con, f"staging/{name}.sql", columns=columns)


def drop_old_tables(con: Warehouse) -> None:
    """Drop the tables of an older version that are views now."""
    for name in (*TABLES, *VIEWS):
        if has_tables(con, name):
            con.execute(f"DROP TABLE {name}")
