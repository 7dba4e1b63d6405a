"""Bind the file's columns to the contract; report drift, stop before a breaking change gets in.

Reads:   raw_netflix_titles, the manifest's headers, the previous snapshot, sql/contract.toml
Writes:  the view contract_netflix_titles (canonical names), ops_schema_changes
Fails when: 03 did not load the snapshot yet (exit 2), a required column is missing, or a change
         has the policy "stop" (exit 20).
"""

import sys

from contract import bind, load_contract
from ingest.manifest import newest_batch
from runner.step import Step, run_step
from staging.build import find_staged
from staging.raw_view import is_schema_checked
from staging.schema_drift import check_columns, set_summary


def run(step: Step) -> None:
    batch = newest_batch(step.settings)
    contract = load_contract(step.settings.contract_path)
    step.batch_id, step.rows_in = batch.batch_id, len(batch.columns)
    bound = bind(contract, batch.columns)
    if is_schema_checked(step.con, batch) and find_staged(step.con, batch, contract):
        set_summary(step, batch, bound, "as before")
        step.unchanged = True
        return
    changes = check_columns(step, batch, contract)
    set_summary(step, batch, bound, f"{len(changes)} change(s)" if changes else "as before")


if __name__ == "__main__":
    sys.exit(run_step("schema", run))
