"""Publish what passed the audit: database copy, KPI files, dictionary, page; swapped atomically.

Reads:   the warehouse (read-only): dim_*, fact_*, bridge_*, kpi_*, analytics_*, cdc_*, ops_*; the
         manifest, for the names of the files
Writes:  data/published/versions/<batch>-<digest>/ and the links to the newest one: netflix.duckdb,
         dashboard.html, kpi/, dictionary.md, lookml/
Fails when: the newest merge is not audited or built upon yet (exit 2), or its audit failed (30):
         then the last version is published again, with a page that says what is held back

A version is written next to the others, synced and renamed; then one link is moved to it. Programs
that have the old version open keep reading it; they see the new one once they reopen the file.

Example: python python/09_publish.py    or    make publish
"""

import sys
from functools import partial
from pathlib import Path

from errors import QualityError
from ingest.manifest import read_batches
from publish.dashboard import Origins, build_dashboard
from publish.exports import COPIED, list_published_tables, write_version
from publish.held import hold_back
from publish.versions import (
    SUMS,
    find_version,
    open_for_publishing,
    remove_old_versions,
    require_passed_audit,
    update_links,
)
from runner.step import Step, run_step
from warehouse.database import has_tables


def run(step: Step) -> None:
    settings = step.settings
    batches = read_batches(settings)
    origins = {batch.batch_id: (batch.source, batch.sample) for batch in batches}
    try:
        version = publish(step, origins)
    except QualityError:
        hold_back(settings, origins)
        raise
    update_links(settings.published, version)
    remove_old_versions(settings.published, version, settings)


def publish(step: Step, origins: Origins) -> Path:
    """Return the version of the newest merge: the one that is there, else a new one."""
    settings, place = step.settings, step.settings.published

    with open_for_publishing(settings) as (warehouse, con):
        step.batch_id, name = require_passed_audit(con, settings, origins)
        version, damaged = find_version(place / "versions" / name)
        if not version.exists():
            for path in damaged:
                step.warn(f"{path} is damaged (see its {SUMS}); it is published again")
            warehouse.as_duckdb(*COPIED)
            tables = list_published_tables(con)
            is_clean = settings.warehouse == "duckdb" and has_tables(con, "publishable_file")
            file = settings.warehouse_path if is_clean else None
            build_page = partial(build_dashboard, con, tables, settings, origins)
            write_version(con, tables, version, step.batch_id, build_page, file)
            step.message = f"{len(tables)} tables of {step.batch_id} in {place}"
        else:
            tables = list_published_tables(con)
            step.message = f"{step.batch_id}, as before"
        step.rows_out = len(tables)
    return version


if __name__ == "__main__":
    sys.exit(run_step("publish", run, warehouse=False, usage=__doc__))
