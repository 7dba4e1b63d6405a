"""Land the catalogue: CSV -> immutable Parquet snapshot and its sealed record.

Reads:   the source (NETFLIX_CSV), the records of all snapshots and decisions
Writes:  data/raw/snapshots/<batch>.parquet (and <batch>.rejects.parquet if records did not fit),
         <batch>.json, data/raw/netflix_titles_raw.parquet (the latest snapshot)
Fails when: the file is not a complete CSV with a known header, too many records do not fit it, or
         the two record counts differ (exit 20); the state does not fit together (exit 40)

A snapshot counts once its record is written. The next run sets files without a record aside.

Example: python python/02_create_raw_layer.py    or    make raw NETFLIX_CSV=titles.csv
"""

import shutil
import sys

from ingest.manifest import is_left_out, list_batches, remove_leftovers
from ingest.snapshot import find_landed, land_snapshot, link_latest_snapshot
from ingest.source import fetch_source
from ingest.state import check_state, is_given_up
from runner.step import Step, run_step


def run(step: Step) -> None:
    settings = step.settings
    folder = settings.raw_dir / ".landing"
    state = check_state(step)
    batches = list_batches(state)
    remove_leftovers(settings, batches, folder)
    whole = [batch for batch in batches if not is_given_up(state, batch.batch_id)]
    try:
        folder.mkdir(parents=True)
        delivery = fetch_source(settings, folder, whole[-1] if whole else None)
        if batch := find_landed(delivery, whole, settings):
            step.batch_id, step.rows_in, step.rows_out = batch.batch_id, 0, batch.raw_rows
            step.message = f"unchanged since {batch.snapshot_at:%Y-%m-%d %H:%M:%S} UTC"
            decision = state.find_decision(batch.batch_id)
            if decision and is_left_out(state, batch):
                day = decision["decided_at"][:10]
                step.warn(
                    f"this file was withdrawn on {day}, and does not count; "
                    f"`make restore BATCH={batch.batch_id}` lets it count again"
                )
        else:
            batch = land_snapshot(step, delivery, batches, folder)
            step.batch_id = batch.batch_id
            step.rows_in, step.rows_out = batch.records, batch.raw_rows
            step.message = (
                f"{batch.records:,} records in {delivery.name} = {batch.raw_rows:,} raw "
                f"+ {batch.rejected:,} rejected"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    in_play = [batch for batch in list_batches(state) if not is_left_out(state, batch)]
    if in_play:
        link_latest_snapshot(settings, in_play[-1])


if __name__ == "__main__":
    sys.exit(run_step("raw", run, warehouse=False, usage=__doc__))
