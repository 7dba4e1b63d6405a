"""Bind the file's columns to the contract; report drift, and stop before a breaking change.

Reads:   raw_netflix_titles, the records, the previous good snapshot, sql/contract.toml
Writes:  the view contract_netflix_titles (canonical names), ops_schema_changes; if it stops, a
         decision in data/decisions/
Fails when: 03 did not load the snapshot yet (exit 2), a required column is missing, or a change
         has the policy "stop" (exit 20)

Example: python python/04_check_schema.py    or    make schema
"""

import sys

from contract import bind, load_contract
from ingest.decisions import record_refusal
from ingest.manifest import landed_batches
from runner.step import Step, run_step
from staging.schema_drift import check_columns, is_settled, set_summary


def run(step: Step) -> None:
    batches = landed_batches(step)
    batch = batches[-1]
    contract = load_contract(step.settings.contract_path, step.settings.cdc_key)
    step.batch_id, step.rows_in = batch.batch_id, len(batch.columns)
    bound = bind(contract, batch.columns)
    if is_settled(step.con, batch, contract):
        set_summary(step, batch, bound, "as before")
        return
    with record_refusal(step.settings, batch):
        changes = check_columns(step, batches, contract)
    set_summary(step, batch, bound, f"{len(changes)} change(s)" if changes else "as before")


if __name__ == "__main__":
    sys.exit(run_step("schema", run, usage=__doc__))
