"""Find where each table comes from, by reading the SQL that creates it.

A test compares the edges with what DuckDB's own parser finds in the same statements.
"""

import re
from collections.abc import Collection
from itertools import chain, product

from config import SQL

FOLDERS = ("staging", "history", "analytics")
FILE, RAW = "the catalogue file", "raw_netflix_titles"
# Created by Python, not by a SQL file: the raw view, the contract's view, and the merge records.
MADE_BY_PYTHON = {
    *((FILE, RAW), (RAW, "contract_netflix_titles")),
    ("analytics_netflix_history", "ops_merges"),
}
SHOWN = (FILE, RAW, "staging_netflix_titles", "staging_netflix_quarantine")  # next to the published
NAME = r'"?([a-z_][a-z0-9_]*)"?'
TARGET = re.compile(
    rf"^(?:CREATE\s+(?:OR REPLACE\s+)?(?:TEMP\s+)?(?:TABLE|VIEW)\s+(?:IF NOT EXISTS\s+)?"
    rf"|INSERT\s+INTO\s+|UPDATE\s+){NAME}",
    re.MULTILINE,
)
SOURCE = re.compile(rf"(?<!DISTINCT )\b(?:FROM|JOIN|USING)\s+{NAME}(?!\w|\s*\()")
CTE = re.compile(
    rf"^(?:WITH\s+(?:RECURSIVE\s+)?)?{NAME}(?: \([^)]*\))? AS (?:MATERIALIZED )?\(", re.MULTILINE
)


def read_statements() -> list[tuple[str, str]]:
    """Read (table or view, a statement that creates or fills it) from the SQL files."""
    paths = [SQL / "staging.sql", *chain(*(sorted((SQL / name).glob("*.sql")) for name in FOLDERS))]
    statements = []
    for path in paths:
        for statement in re.sub(r"--.*", "", path.read_text(encoding="utf-8")).split(";\n"):
            if target := TARGET.match(statement.strip()):
                statements.append((target[1], statement))
    return statements


def find_sources(statement: str) -> set[str]:
    """Find the tables and views that a statement reads, without its own CTEs."""
    return set(SOURCE.findall(statement)) - set(CTE.findall(statement))


def collect_lineage(published: Collection[str]) -> list[tuple[str, str]]:
    """Collect the edges (from, to) between published tables and what they are made from.

    Temporary and internal tables are left out: their sources lead to their results.
    """
    edges = MADE_BY_PYTHON | {
        (source, target)
        for target, statement in read_statements()
        for source in find_sources(statement)
    }
    shown = {*SHOWN, *published}
    for inner in {name for edge in edges for name in edge} - shown:
        sources = {source for source, target in edges if target == inner} - {inner}
        targets = {target for source, target in edges if source == inner} - {inner}
        edges = {edge for edge in edges if inner not in edge} | set(product(sources, targets))
    return sorted((source, target) for source, target in edges if source != target)
