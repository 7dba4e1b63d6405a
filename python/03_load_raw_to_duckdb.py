"""Load the newest snapshot as raw_netflix_titles, after checking that it is what was landed.

Reads:   the records, the newest snapshot below data/raw/snapshots/
Writes:  the view raw_netflix_titles, ops_proven_files
Fails when: nothing was landed yet (exit 2), or the snapshot's SHA-256 or number of rows differs
         from its record (exit 40)

It also checks a few other snapshots, those whose last check is the longest ago.

raw_netflix_titles is a view: the snapshot never changes, and copying wide text into a table is the
most expensive part of a load (2.8 s of 9 s at 1,000,000 rows).

Example: python python/03_load_raw_to_duckdb.py    or    make load
"""

import sys

from ingest.manifest import landed_batches, prove_some_files
from runner.step import Step, run_step
from staging.build import load_raw


def run(step: Step) -> None:
    batches = landed_batches(step)
    batch = batches[-1]
    step.batch_id, step.rows_in = batch.batch_id, batch.raw_rows
    step.rows_out = load_raw(step.con, batch, step.settings)
    prove_some_files(step, batches)
    step.message = f"{batch.parquet} verified"


if __name__ == "__main__":
    sys.exit(run_step("load", run, usage=__doc__))
