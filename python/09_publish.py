"""Publish what passed the audit: database copy, KPI files, dictionary, page; swapped atomically.

Reads:   the warehouse (read-only): dim_*, fact_*, bridge_*, kpi_*, analytics_*, cdc_*, ops_*
Writes:  data/published/versions/<batch>-<digest>/ and the links to the newest one: netflix.duckdb,
         dashboard.html, kpi/, dictionary.md, lookml/
Fails when: the last audit did not pass on the newest merge (exit 30); readers keep what they have.

A version is written beside the others, synced, renamed, and one link is moved to it: a reader sees
the old version or the new one, and who holds an old file open keeps it.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import page
from config import SQL, Settings
from engine import DuckDBPyConnection
from errors import QualityError, Refused
from files import rules_digest, sha256, sync
from steps import Step, run_step
from warehouse import (
    STORAGE_VERSION,
    connect,
    exists,
    fetch_sql,
    has_tables,
    identifier,
    literal,
    open_warehouse,
    transaction,
)

COPIED = ("dim_", "fact_", "bridge_", "kpi_", "analytics_netflix_", "cdc_", "ops_")
ENTRIES = ("netflix.duckdb", "dashboard.html", "kpi", "dictionary.md", "lookml")
NEEDED_FIRST = ("ops_", "analytics_books")  # to know whether there is anything to publish
SHOWN = ("staging_books", "staging_netflix_quarantine")  # by the page, beside what is copied
SUMS = "SHA256SUMS"  # in each version, of its other files
LOOKER_TYPES = {"VARCHAR": "string", "DATE": "date", "TIMESTAMP": "date_time", "BOOLEAN": "yesno"}


def run(step: Step) -> None:
    settings = step.settings
    if not exists(settings):
        raise Refused("there is no warehouse to publish from; run `make run-all` first")
    place = settings.published
    con, copy = reader(settings)
    try:
        copy(NEEDED_FIRST)
        step.batch_id, name = audited(con)
        version, damaged = choose(place / "versions" / name)
        if not version.exists():
            for path in damaged:
                step.warn(f"{path} is damaged (see its {SUMS}); what it held is published anew")
            copy((*COPIED, *SHOWN))
            tables = catalogue(con)
            write(con, tables, version, step.batch_id)
            step.message = f"{len(tables)} tables of {step.batch_id} in {place}"
        else:
            step.message = f"{step.batch_id}, as before"
            step.found_done = True
        step.rows_out = len(catalogue(con))
    finally:
        con.close()
    point(place, version)
    tidy(place, version, settings)


def reader(settings: Settings) -> tuple[DuckDBPyConnection, Callable[[tuple[str, ...]], None]]:
    """The warehouse as DuckDB, and how the tables with these prefixes get into it.

    Where it is DuckDB's own file, they are there; what another engine holds is copied.
    """
    if settings.warehouse == "duckdb":
        con = connect(settings.warehouse_path, settings, [settings.published], read_only=True)
        return con, lambda prefixes: None
    con = connect(":memory:", settings, [settings.published])

    def copy(prefixes: tuple[str, ...]) -> None:
        engine = open_warehouse(settings)
        try:
            engine.copy_into(con, prefixes)
        finally:
            engine.close()

    return con, copy


def audited(con: DuckDBPyConnection) -> tuple[str, str]:
    """(newest merged batch, name of its version). Raises QualityError where no audit passed it.

    The name holds a digest of what decides on the content: merges, verdicts, and how it is made.
    """
    known = has_tables(con, "ops_merges", "ops_checks", "analytics_books")
    found = fetch_sql(con, "publish/audit.sql") if known else []
    if not found:
        raise Refused("nothing was audited and built yet; run `make run-all` first")
    state = found[0]
    of_newest = state["audited_batch"] == state["batch_id"] and state["is_after_merge"]
    if state["status"] != "done" or not of_newest:
        raise QualityError(
            f"the audit of {state['batch_id']} did not pass; nothing was published, readers keep "
            "what they have. See `make monitor`."
        )
    if state["built_batch"] != state["batch_id"]:
        raise Refused(f"the star schema of {state['batch_id']} is not built: run `make analytics`")
    made_by = [Path(__file__), Path(page.__file__), *sorted(page.ASSETS.iterdir())]
    made_by += sorted((SQL / "publish").glob("*.sql"))
    digest = rules_digest(made_by, *(str(state[key]) for key in ("merges", "verdicts", "rules")))
    return state["batch_id"], f"{state['batch_id']}-{digest[:8]}"


def choose(version: Path) -> tuple[Path, list[Path]]:
    """The version where it is whole, else a name for it that is free; and those that are damaged.

    A damaged one stays where it is until it is tidied away: somebody may have it open.
    """
    made = sorted(version.parent.glob(f"{version.name}*"))
    for path in made:
        if is_whole(path):
            return path, []
    chosen, number = version, 1
    while chosen in made:
        number += 1
        chosen = version.with_name(f"{version.name}.{number}")
    return chosen, made


def is_whole(version: Path) -> bool:
    """Whether all files of a version are there, and as they were written."""
    sealed = version / SUMS
    return sealed.is_file() and sealed.read_bytes() == sums(version).encode()


def sums(version: Path) -> str:
    """The SHA-256 of each file, as `sha256sum --check` reads them."""
    paths = sorted(path for path in version.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(f"{sha256(path)}  {path.relative_to(version)}\n" for path in paths)


def catalogue(con: DuckDBPyConnection) -> dict[str, dict]:
    """Table or view -> its comment and its columns (name, type, comment), as they are published."""
    tables: dict[str, dict] = {}
    for row in fetch_sql(con, "publish/columns.sql"):
        if row["table_name"].startswith(COPIED):
            entry = tables.setdefault(
                row["table_name"], {"comment": row["table_comment"] or "", "columns": []}
            )
            entry["columns"].append((row["column_name"], row["data_type"], row["comment"] or ""))
    return tables


def write(con: DuckDBPyConnection, tables: dict, version: Path, batch: str) -> None:
    """Make the version in a folder of its own; it gets its name when all of it is on the disk."""
    temporary = version.with_name(f".{version.name}.{os.getpid()}.tmp")
    try:
        (temporary / "kpi").mkdir(parents=True)
        (temporary / "lookml").mkdir()
        with attached(con, temporary / "netflix.duckdb"):
            copy_database(con, tables)
            for name in tables:
                if name.startswith("kpi_"):
                    export(con, name, tables[name]["columns"], temporary / "kpi")
            html = page.dashboard(con)
        (temporary / "dictionary.md").write_text(dictionary(tables, batch), encoding="utf-8")
        (temporary / "dashboard.html").write_text(html, encoding="utf-8")
        view = temporary / "lookml" / "netflix_titles.view.lkml"
        view.write_text(looker_view(tables["analytics_netflix_current"]), encoding="utf-8")
        (temporary / "lookml" / "netflix.model.lkml").write_text(LOOKER_MODEL, encoding="utf-8")
        (temporary / SUMS).write_text(sums(temporary), encoding="utf-8")
        for path in (*temporary.rglob("*"), temporary):
            sync(path)
        temporary.rename(version)
        sync(version.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def attached(con: DuckDBPyConnection, path: Path) -> Iterator[None]:
    """A new database as `copy`; its file is read-only afterwards."""
    storage = f"STORAGE_VERSION {literal(STORAGE_VERSION)}"
    con.execute(f"ATTACH {literal(path)} AS copy (READ_WRITE, {storage})")
    yield
    con.execute("DETACH copy")
    path.chmod(path.stat().st_mode & 0o444)


def copy_database(con: DuckDBPyConnection, tables: dict) -> None:
    """Every table, and every view as a table, with their comments, in one transaction.

    From here on a KPI's name means its table in the copy: it is worked out once.
    """
    with transaction(con):
        for name, entry in tables.items():
            target = f"copy.{identifier(name)}"
            con.execute(f"CREATE TABLE {target} AS SELECT * FROM {identifier(name)}")
            comments = [f"COMMENT ON TABLE {target} IS {literal(entry['comment'])}"]
            comments += [
                f"COMMENT ON COLUMN {target}.{identifier(column)} IS {literal(comment)}"
                for column, _, comment in entry["columns"]
            ]
            con.execute(";".join(comments))
    for name in tables:
        if name.startswith("kpi_"):
            view = identifier(name)
            con.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM copy.{view}")


def export(con: DuckDBPyConnection, name: str, columns: list, folder: Path) -> None:
    """<name>.parquet, <name>.csv (exact) and <name>.spreadsheet.csv (no cell is a formula)."""
    safe = ", ".join(
        f"{defused(column) if kind == 'VARCHAR' else identifier(column)} AS {identifier(column)}"
        for column, kind, _ in columns
    )
    ordered = f"SELECT * FROM copy.{identifier(name)} ORDER BY ALL"
    for query, suffix, options in (
        (ordered, "parquet", "FORMAT parquet, COMPRESSION zstd"),
        (ordered, "csv", "FORMAT csv, HEADER"),
        (f"SELECT {safe} FROM ({ordered})", "spreadsheet.csv", "FORMAT csv, HEADER"),
    ):
        con.execute(f"COPY ({query}) TO {literal(folder / f'{name}.{suffix}')} ({options})")


def defused(column: str) -> str:
    """A text cell that a spreadsheet shows and never runs: an apostrophe before what starts one.

    Also behind blanks, and for the full-width signs that some programs take for the plain ones.
    """
    name = identifier(column)
    starts = r"^[\s\x00]*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|^[\t\r\n]"
    return f"CASE WHEN regexp_matches({name}, '{starts}') THEN '''' || {name} ELSE {name} END"


def dictionary(tables: dict, batch: str) -> str:
    """Every table and column with its comment, and where the data comes from, as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        f"What `netflix.duckdb` holds, as of snapshot {cell(batch)}. Views are tables in it.",
        "",
        LINEAGE,
    ]
    for name, entry in sorted(tables.items()):
        lines += ["", f"## {name}", "", cell(entry["comment"]), ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(cell, column))} |" for column in entry["columns"]]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text as it stands in a Markdown table: no markup, no tag, no line end."""
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

LOOKER_MODEL = """connection: "netflix"
include: "netflix_titles.view.lkml"

explore: netflix_titles {
  label: "Catalogue"
  description: "One row per title in the catalogue now."
}
"""


def looker_view(entry: dict) -> str:
    """A LookML view of the current titles: a dimension per column, and their number."""
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


def point(place: Path, version: Path) -> None:
    """Move the link `current` to the version, in one rename; the entries lead through it."""
    link(place / "current", f"versions/{version.name}")
    for name in ENTRIES:
        link(place / name, f"current/{name}")


def link(path: Path, target: str) -> None:
    if path.is_symlink() and str(path.readlink()) == target:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)
    sync(path.parent)


def tidy(place: Path, version: Path, settings: Settings) -> None:
    """Remove what a run that died left, and all but the newest PUBLISH_KEEP versions."""
    for leftover in (*place.glob(".*.tmp"), *(place / "versions").glob(".*.tmp")):
        is_folder = leftover.is_dir() and not leftover.is_symlink()  # a link to a version is none
        shutil.rmtree(leftover) if is_folder else leftover.unlink()
    others = [path for path in (place / "versions").iterdir() if path != version]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in others[max(settings.publish_keep - 1, 1) :]:  # one a reader may be going into
        shutil.rmtree(path)


if __name__ == "__main__":
    sys.exit(run_step("publish", run, warehouse=False))
