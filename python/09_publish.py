"""Publish what passed the audit: database copy, KPI files, dictionary, page; swapped atomically.

Reads:   the warehouse (read-only): dim_*, fact_*, bridge_*, kpi_*, analytics_*, cdc_*, ops_*
Writes:  data/published/versions/<batch>-<digest>/ and the links to the newest one: netflix.duckdb,
         dashboard.html, kpi/, dictionary.md, lookml/
Fails when: the newest merge is not audited or built upon yet (exit 2), or its audit failed (30).

A version is written beside the others, synced, renamed, and one link is moved to it: a reader sees
the old version or the new one, and who holds an old file open keeps it.

Example: python python/09_publish.py    or    make publish
"""

import sys

from publish.exports import COPIED, list_published_tables, write_version
from publish.versions import (
    SUMS,
    find_version,
    open_for_publishing,
    remove_old_versions,
    require_passed_audit,
    update_links,
)
from runner.step import Step, run_step

SHOWN = ("staging_counts", "staging_netflix_quarantine")  # by the page, beside what is copied


def run(step: Step) -> None:
    place = step.settings.published
    with open_for_publishing(step.settings) as (warehouse, con):
        step.batch_id, name = require_passed_audit(con)
        version, damaged = find_version(place / "versions" / name)
        if not version.exists():
            for path in damaged:
                step.warn(f"{path} is damaged (see its {SUMS}); what it held is published anew")
            warehouse.as_duckdb(*COPIED, *SHOWN)
            tables = list_published_tables(con)
            write_version(con, tables, version, step.batch_id)
            step.message = f"{len(tables)} tables of {step.batch_id} in {place}"
        else:
            step.message = f"{step.batch_id}, as before"
            step.unchanged = True
        step.rows_out = len(list_published_tables(con))
    update_links(place, version)
    remove_old_versions(place, version, step.settings)


if __name__ == "__main__":
    sys.exit(run_step("publish", run, warehouse=False, usage=__doc__))
