"""Write one version: database copy, KPI files, dictionary, LookML, page."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config import SQL
from publish.versions import PAGE, seal_version
from runner.console import FORMULA_START
from warehouse.columns import stored_columns
from warehouse.database import (
    STORAGE_VERSION,
    Warehouse,
    fetch_file,
    identifier,
    literal,
    run_file,
    transaction,
)
from warehouse.places import find_log

COPIED = ("dim_", "fact_", "bridge_", "kpi_", "analytics_netflix_", "cdc_", "ops_")
COPIED_BYTES = 1 << 30  # at most, by one call
# What the system says where it cannot copy from one file to another by itself.
CANNOT_COPY_RANGE = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
BOM = "\ufeff"
LOOKER_TYPES = {"VARCHAR": "string", "DATE": "date", "TIMESTAMP": "date_time", "BOOLEAN": "yesno"}


def list_published_tables(con: Warehouse) -> dict[str, dict]:
    """Return each published table or view -> its comment and columns (name, type, comment)."""
    tables: dict[str, dict] = {}
    for row in fetch_file(con, "publish/columns.sql"):
        if row["table_name"].startswith(COPIED):
            entry = tables.setdefault(
                row["table_name"], {"comment": row["table_comment"] or "", "columns": []}
            )
            entry["columns"].append((row["column_name"], row["data_type"], row["comment"] or ""))
    return tables


def write_version(
    con: Warehouse,
    tables: dict,
    version: Path,
    batch: str,
    build_page: Callable[[], str],
    file: Path | None = None,
) -> None:
    """Write the version to a temporary folder, which gets its name once all of it is on disk.

    `build_page` builds the page; meanwhile all names mean the tables of the copy.
    """
    temporary = version.with_name(f".{version.name}.{os.getpid()}.tmp")
    try:
        (temporary / "kpi").mkdir(parents=True)
        (temporary / "lookml").mkdir()
        if file:
            copy_file(file, temporary / "netflix.duckdb")
        with attach_copy(con, temporary / "netflix.duckdb"):
            strip_copy(con, tables) if file else copy_database(con, tables)
            show_copied_kpis(con, tables)
            for name in tables:
                if name.startswith("kpi_"):
                    export_kpi(con, name, temporary / "kpi")
            failures = (SQL / "publish/check_failures.sql").read_text(encoding="utf-8")
            write_spreadsheet(con, failures, temporary / "check_failures.csv")
            with default_database(con, "copy"):
                html = build_page()
        samples = con.execute("SELECT count(*) FROM ops_origin WHERE is_sample").fetchone()[0]
        dictionary = write_dictionary(tables, batch, bool(samples))
        (temporary / "dictionary.md").write_text(dictionary, encoding="utf-8")
        (temporary / PAGE).write_text(html, encoding="utf-8")
        view = temporary / "lookml" / "netflix_titles.view.lkml"
        view.write_text(write_looker_view(tables["analytics_netflix_current"]), encoding="utf-8")
        (temporary / "lookml" / "netflix.model.lkml").write_text(LOOKER_MODEL, encoding="utf-8")
        seal_version(temporary, version)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def attach_copy(con: Warehouse, path: Path) -> Iterator[None]:
    """Attach a new database as `copy`; its file is read-only afterwards."""
    storage = f"STORAGE_VERSION {literal(STORAGE_VERSION)}"
    con.execute(f"ATTACH {literal(path)} AS copy (READ_WRITE, {storage})")
    yield
    con.execute("DETACH copy")
    path.chmod(path.stat().st_mode & 0o444)


@contextmanager
def default_database(con: Warehouse, name: str) -> Iterator[None]:
    """Let names mean the tables of an attached database."""
    home = identifier(con.execute("SELECT current_database()").fetchone()[0])
    con.execute(f"USE {name}")
    yield
    con.execute(f"USE {home}")


def copy_database(con: Warehouse, tables: dict) -> None:
    """Copy all tables, KPIs as tables, other views and the history's macros, with comments.

    Afterwards a KPI's name means its table in the copy, so that it is computed only once.
    """
    views = dict(
        con.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall()
    )
    views = {name: views[name] for name in tables if name in views and not name.startswith("kpi_")}
    with transaction(con):
        for name in [name for name in tables if name not in views]:
            source = identifier(name)
            con.execute(f"CREATE TABLE copy.{source} AS SELECT * FROM {source}")
        with default_database(con, "copy"):
            for definition in views.values():
                con.execute(definition)
            for name, entry in tables.items():
                comment_on(con, identifier(name), "VIEW" if name in views else "TABLE", entry)
            run_file(con, "history/time_travel.sql", columns=stored_columns(con))


def copy_file(source: Path, target: Path) -> None:
    """Copy a database and its log; at once where the file system lets two files share blocks.

    Its caller has the database open, so nobody writes to it.
    """
    for path, copy in ((source, target), (find_log(source), find_log(target))):
        if not path.exists():
            continue
        try:
            with open(path, "rb") as here, open(copy, "wb") as there:
                while os.copy_file_range(here.fileno(), there.fileno(), COPIED_BYTES):
                    pass
        except AttributeError:  # not Linux
            shutil.copyfile(path, copy)
        except OSError as error:
            if error.errno not in CANNOT_COPY_RANGE:
                raise
            shutil.copyfile(path, copy)


def strip_copy(con: Warehouse, tables: dict) -> None:
    """Leave in a copy of the warehouse's file what is published, with each KPI as a table.

    The rest has no row that readers must not get: those of staging are in files of their own.
    """
    objects = con.execute(
        "SELECT table_name, 'TABLE' FROM duckdb_tables() WHERE database_name = 'copy' UNION ALL "
        "SELECT view_name, 'VIEW' FROM duckdb_views() WHERE database_name = 'copy' AND NOT internal"
    ).fetchall()
    with transaction(con):
        for name, kind in objects:
            if name.startswith("kpi_") or name not in tables:
                con.execute(f"DROP {kind} copy.{identifier(name)}")
        for name, entry in tables.items():
            if name.startswith("kpi_"):
                table = f"copy.{identifier(name)}"
                con.execute(f"CREATE TABLE {table} AS SELECT * FROM {identifier(name)}")
                comment_on(con, table, "TABLE", entry)


def comment_on(con: Warehouse, target: str, kind: str, entry: dict) -> None:
    comments = [f"COMMENT ON {kind} {target} IS {literal(entry['comment'])}"]
    comments += [
        f"COMMENT ON COLUMN {target}.{identifier(column)} IS {literal(comment)}"
        for column, _, comment in entry["columns"]
    ]
    con.execute(";".join(comments))


def show_copied_kpis(con: Warehouse, tables: dict) -> None:
    """From here on a KPI's name means its table in the copy: it is worked out once."""
    for name in tables:
        if name.startswith("kpi_"):
            view = identifier(name)
            con.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM copy.{view}")


def export_kpi(con: Warehouse, name: str, folder: Path) -> None:
    """Write <name>.parquet, <name>.csv (exact) and <name>.spreadsheet.csv, in the KPI's order."""
    rows = f"SELECT * FROM copy.{identifier(name)}"
    for suffix, options in (
        ("parquet", "FORMAT parquet, COMPRESSION zstd"),
        ("csv", "FORMAT csv, HEADER"),
    ):
        con.execute(f"COPY ({rows}) TO {literal(folder / f'{name}.{suffix}')} ({options})")
    write_spreadsheet(con, rows, folder / f"{name}.spreadsheet.csv")


def write_spreadsheet(con: Warehouse, query: str, path: Path) -> None:
    """Write a query's rows as CSV for a spreadsheet: no formulas, and a byte order mark."""
    columns = con.execute(f"DESCRIBE {query}").fetchall()
    safe = ", ".join(
        f"{escape_formula(column) if kind == 'VARCHAR' else identifier(column)} "
        f"AS {identifier(BOM * (place == 0) + column)}"
        for place, (column, kind, *_) in enumerate(columns)
    )
    con.execute(f"COPY (SELECT {safe} FROM ({query})) TO {literal(path)} (FORMAT csv, HEADER)")


def escape_formula(column: str) -> str:
    """Return SQL that puts an apostrophe before what a spreadsheet would run as a formula."""
    name = identifier(column)
    return (
        f"CASE WHEN regexp_matches({name}, '{FORMULA_START}') THEN '''' || {name} ELSE {name} END"
    )


def write_dictionary(tables: dict, batch: str, is_sample: bool) -> str:
    """Return every table and column with its comment, and the lineage, as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        f"What `netflix.duckdb` holds, as of snapshot {escape_markdown(batch)}. Each KPI is a "
        "table in it.",
        *(["", "**Made-up sample data: none of these titles exists.**"] if is_sample else []),
        "",
        LINEAGE,
        "",
        "How the tables join. `FROM catalog_as_of(TIMESTAMP '...')` is the catalogue at a moment, "
        "`FROM changes_between(TIMESTAMP '...', TIMESTAMP '...')` what changed in between.",
        "",
        JOINS,
    ]
    for name, entry in sorted(tables.items()):
        lines += ["", f"## {name}", "", escape_markdown(entry["comment"]), ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(escape_markdown, column))} |" for column in entry["columns"]]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Escape a text for a Markdown table: no markup, no tag, no line end."""
    for sign in "\\`*_{}[]<>#|":
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return " ".join(text.split())


LINEAGE = """```mermaid
flowchart LR
    file[catalogue file] --> raw_netflix_titles
    raw_netflix_titles --> staging_netflix_titles
    staging_netflix_titles --> analytics_netflix_history
    analytics_netflix_history --> analytics_netflix_current
    analytics_netflix_history --> cdc_netflix_changes
    analytics_netflix_history --> dims[dim_*]
    analytics_netflix_history --> fact_title_catalog
    analytics_netflix_history --> bridges[bridge_title_*]
    dims --> kpis[kpi_*]
    fact_title_catalog --> kpis
    bridges --> kpis
```"""
JOINS = """```mermaid
erDiagram
    dim_title ||--|| fact_title_catalog : "title_key = title_key"
    dim_rating ||--o{ fact_title_catalog : "rating_key = rating_key"
    dim_date ||--o{ fact_title_catalog : "date_key = date_added_key"
    dim_date ||--o{ fact_title_catalog : "date_key = valid_from_key"
    dim_date ||--o{ fact_title_catalog : "date_key = valid_to_key"
    fact_title_catalog ||--o{ bridge_title_country : "title_key = title_key"
    fact_title_catalog ||--o{ bridge_title_genre : "title_key = title_key"
    fact_title_catalog ||--o{ bridge_title_cast : "title_key = title_key"
    fact_title_catalog ||--o{ bridge_title_director : "title_key = title_key"
    dim_country ||--o{ dim_country_name : "country_key = country_key"
    dim_country ||--o{ bridge_title_country : "country_key = country_key"
    dim_genre ||--o{ bridge_title_genre : "genre_key = genre_key"
    dim_person ||--o{ bridge_title_cast : "person_key = person_key"
    dim_person ||--o{ bridge_title_director : "person_key = person_key"
    analytics_netflix_history ||--|| dim_title : "version_id = title_key"
    ops_merges ||--o{ analytics_netflix_history : "batch_id = batch_id"
    ops_merges ||--o{ cdc_netflix_changes : "batch_id = batch_id"
```"""
LOOKER_MODEL = """connection: "netflix"
include: "netflix_titles.view.lkml"

explore: netflix_titles {
  label: "Catalogue"
  description: "One row per title in the catalogue now."
}
"""


def write_looker_view(entry: dict) -> str:
    """Return a LookML view of the current titles: a dimension per column, and a count."""
    lines = ["view: netflix_titles {", "  sql_table_name: analytics_netflix_current ;;"]
    for name, kind, comment in entry["columns"]:
        lines += [
            f"  dimension: {name} {{",
            *(["    primary_key: yes"] if name == "title_id" else []),
            f"    type: {LOOKER_TYPES.get(kind, 'number')}",
            f"    description: {json.dumps(comment)}",
            f'    sql: ${{TABLE}}."{name}" ;;',
            "  }",
        ]
    lines += ["  measure: titles {\n    type: count\n  }", "}"]
    return "\n".join(lines) + "\n"
