"""Publish a page that says what is held back, after an audit that failed.

Only the page is new: it shows the data of the published copy as before, and what did not pass. The
other files are hard links to those of the previous version.
"""

import os
import shutil
from contextlib import closing
from pathlib import Path

from config import Settings
from publish.dashboard import Held, Origins, build_dashboard
from publish.exports import list_published_tables
from publish.page_data import read_notes
from publish.versions import (
    PAGE,
    SUMS,
    checksums,
    find_version,
    page_fingerprint,
    remove_old_versions,
    seal_version,
    update_links,
)
from warehouse.database import Warehouse, connect, fetch_file, has_tables, open_warehouse


def hold_back(settings: Settings, origins: Origins) -> Path | None:
    """Publish a version whose page says what the last audit holds back; return its path.

    Do nothing and return None if the audit passed, or if nothing was published yet.
    """
    current = (settings.published / "current").resolve()
    if not (current / "netflix.duckdb").is_file():
        return None
    with closing(open_warehouse(settings, read_only=True)) as warehouse:
        held = read_held(warehouse)
    if held is None:
        return None
    copied = (current / SUMS).read_text(encoding="utf-8").replace(checksums(current, PAGE), "")
    name = f"held-{held.batch_id}-{page_fingerprint(settings, copied, repr(held))}"
    version, _ = find_version(settings.published / "versions" / name)
    if not version.exists():
        write_held_version(settings, current, version, origins, held)
    update_links(settings.published, version)
    remove_old_versions(settings.published, version, settings)
    return version


def read_held(con: Warehouse) -> Held | None:
    """Return what the last audit objects to, and since when; None if it passed."""
    if not has_tables(con, "ops_checks", "ops_merges"):
        return None
    rows = fetch_file(con, "publish/held.sql")
    if not rows:
        return None
    ways_out = read_notes("way_out")
    checks = [
        (name, row["description"], row["offending_row"], ways_out.get(name))
        for row in rows
        if (name := row["check_name"])
    ]
    return Held(rows[0]["batch_id"], rows[0]["snapshot_at"], rows[0]["failing_since"], checks)


def write_held_version(
    settings: Settings, current: Path, version: Path, origins: Origins, held: Held
) -> None:
    temporary = version.with_name(f".{version.name}.{os.getpid()}.tmp")
    try:
        shutil.copytree(
            current, temporary, copy_function=os.link, ignore=shutil.ignore_patterns(PAGE, SUMS)
        )
        with closing(connect(temporary / "netflix.duckdb", settings, read_only=True)) as con:
            html = build_dashboard(con, list_published_tables(con), settings, origins, held)
        (temporary / PAGE).write_text(html, encoding="utf-8")
        seal_version(temporary, version)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
