"""Bring the published tables to where others keep theirs, by what changed since the last time.

Reads:   data/published/current/netflix.duckdb
Writes:  the place that MIRROR_URL names: delta:///path, s3://bucket/prefix, iceberg:///path; or
         bigquery://project/dataset, snowflake://...
Fails when: MIRROR_URL is not set, its packages are missing or nothing was published yet (exit 2),
         or the place cannot be written (1): its readers keep what they had, the next run catches up

Delta and Iceberg change each table in one commit; published.json, written last, names the versions
that belong together. BigQuery and Snowflake change all in one. See docs/engines.md.

Example: python python/12_mirror.py    or    make mirror
"""

import sys

from errors import NotReady, SettingsError
from mirror.run import mirror
from runner.console import plural
from runner.step import Step, run_step


def run(step: Step) -> None:
    settings = step.settings
    step.rest = "Nothing else was changed."
    if not settings.mirror_url:
        raise SettingsError("MIRROR_URL is not set, so there is nothing to mirror to")
    link = settings.published / "current"
    if not link.is_symlink():
        raise NotReady("nothing was published yet; run `make run-all` first")
    version = link.resolve()
    result = mirror(settings, version, lambda text: step.event("mirror_failed", text=text))
    step.rows_out = result.rows
    step.batch_id = version.name.rpartition("-")[0]
    for name in result.foreign:
        step.warn(f"{name} in the mirror was changed by somebody else; it was written whole")
    if not result.tables:
        step.message = f"{step.batch_id} is there, as before"
        return
    whole = f", {len(result.whole)} of them whole" if result.whole else ""
    step.message = (
        f"{len(result.changed)} of {plural(result.tables, 'table')} written{whole}, "
        f"to {result.place}"
    )


if __name__ == "__main__":
    sys.exit(run_step("mirror", run, warehouse=False, usage=__doc__))
