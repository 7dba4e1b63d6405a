"""Clean and type the snapshot: raw -> staging_netflix_titles and its quarantine.

Reads:   contract_netflix_titles (the raw snapshot under canonical names; if step 04 did not run,
         this step creates it in the same way), sql/contract.toml
Writes:  the files of staging (staging/files.py) and their views: staging_netflix_titles,
         staging_records, staging_netflix_quarantine, staging_lost_in_cast; the tables
         staging_repairs, staging_batch, staging_counts; if it stops, a decision in data/decisions/
Fails when: too many records are quarantined or values lost (MAX_QUARANTINED_*, MAX_LOST_IN_CAST_*;
         exit 20), the row counts do not reconcile (exit 1), or step 04 would

Unchanged records keep their staged rows; `--full` restages all.

Example: python python/05_run_staging_sql.py --full    or    make staging FULL=1
"""

import sys

from contract import load_contract
from ingest.decisions import record_refusal
from ingest.manifest import landed_batches
from runner.options import read_flags
from runner.step import Step, run_step
from staging.build import build_staging, check_staging_limits, find_staged, is_schema_checked
from staging.files import keep_staging, show_staging
from staging.schema_drift import check_columns


def run(step: Step, full: bool = False) -> None:
    settings = step.settings
    batches = landed_batches(step)
    batch = batches[-1]
    contract = load_contract(settings.contract_path, settings.cdc_key)
    step.batch_id = batch.batch_id
    show_staging(step, step.con, read=True)
    as_before = None if full else find_staged(step.con, batch, contract)
    with record_refusal(settings, batch), keep_staging(step.con, contract.columns):
        if not as_before and not is_schema_checked(step.con, batch):
            check_columns(step, batches, contract)  # step 04 did not run, or stopped
        counts = as_before or build_staging(step.con, batch, contract, full=full)
        step.rows_in, step.rows_out = counts.raw, counts.staged
        check_staging_limits(step.con, batch, counts, settings)
    step.message = (
        f"{counts.raw:,} raw = {counts.staged:,} staged + {counts.quarantined:,} quarantined "
        f"+ {counts.duplicates:,} exact duplicates" + (", as before" if as_before else "")
    )
    for name, value in (("quarantined", counts.quarantined), ("lost in cast", counts.lost_in_cast)):
        if value:
            step.warn(f"{value:,} {name}; see staging_netflix_quarantine, staging_lost_in_cast")


def main() -> int:
    full = read_flags(__doc__, full="restage all records").full
    return run_step("staging", lambda step: run(step, full))


if __name__ == "__main__":
    sys.exit(main())
