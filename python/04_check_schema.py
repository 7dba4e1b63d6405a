"""Bind the file's columns to the contract; report drift, stop before a breaking change gets in.

Reads:   raw_netflix_titles, the manifest's headers, the previous snapshot, sql/contract.toml
Writes:  the view contract_netflix_titles (canonical names), ops_schema_changes
Fails when: a required column is missing, or a change has the policy "stop" (exit 20).
"""

import sys

from contract import bind, load_contract
from errors import Refused
from ingest.decisions import accepts
from ingest.manifest import newest_batch, read_batches, verify_snapshot
from runner.console import printable
from runner.step import Step, run_step
from staging.build import find_staged
from staging.raw_view import bind_columns, is_schema_checked
from staging.schema_drift import (
    columns_with_values,
    find_header_changes,
    find_unparsable_columns,
    set_summary,
    suggest_rename,
)


def run(step: Step) -> None:
    settings, con = step.settings, step.con
    batches = read_batches(settings.manifest)
    batch = newest_batch(settings)
    previous = next((b for b in reversed(batches) if b.snapshot_at < batch.snapshot_at), None)
    contract = load_contract(settings.contract_path)
    step.batch_id, step.rows_in = batch.batch_id, len(batch.columns)

    bound = bind(contract, batch.columns)
    if is_schema_checked(con, batch) and find_staged(con, batch, contract):
        set_summary(step, batch, bound, "as before")
        step.unchanged = True
        return
    unknown = columns_with_values(
        con, [name for name in batch.columns if name not in bound.values()]
    )
    if previous and unknown:
        path = verify_snapshot(settings.snapshots, previous)
        con.show_parquet("previous_snapshot", path, temporary=True)
    changes = find_header_changes(con, contract, batch, previous, unknown)
    required = [column.name for column in contract.columns if column.required]
    missing = [name for name in required if not bound[name]]
    if previous and unknown:
        changes = [suggest_rename(con, change, contract, bound, unknown) for change in changes]
    if not missing:
        bind_columns(con, batch, contract)
        changes += find_unparsable_columns(con, contract)
    known = step.con.execute(
        "SELECT kind, column_name FROM ops_schema_changes WHERE batch_id = ?", [batch.batch_id]
    ).fetchall()
    for change in changes:
        if (change.kind, change.column) in known:
            continue  # this very file was reported before
        step.add_ops_row(
            "INSERT INTO ops_schema_changes VALUES (?, ?, ?, ?, ?)",
            [batch.batch_id, change.kind, change.column, change.detail, step.started_at],
        )
        step.warn(f"column {printable(change.column)} {change.kind}: {change.detail}")
    if missing:
        hints = [c.detail for c in changes if c.kind == "removed" and c.column in missing]
        raise Refused(
            f"required column {', '.join(missing)} is not in the file; no table was changed. "
            f"{' '.join(hints)} The file has: {', '.join(map(printable, batch.header[:30]))}"
        )
    stops = [change for change in changes if contract.policy[change.kind] == "stop"]
    if stops and not accepts(settings, batch, f"column {stops[0].column} {stops[0].kind}"):
        raise Refused(
            f"column {printable(stops[0].column)} was {stops[0].kind} ({stops[0].detail}), which "
            "the contract says to stop for; no table was changed. Mend "
            f"{settings.contract_path.name} or the file, or let this file pass: "
            f"make run-all ACCEPT={batch.source_sha256[:12]}"
        )
    set_summary(step, batch, bound, f"{len(changes)} change(s)" if changes else "as before")


if __name__ == "__main__":
    sys.exit(run_step("schema", run))
