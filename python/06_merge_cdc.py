"""Merge the staged snapshot into the history: who is new, changed, gone or back (SCD type 2).

Reads:   staging_netflix_titles, the manifest, data/decisions.jsonl; the raw snapshots where one
         came late, or several wait
Writes:  analytics_netflix_history (and the views analytics_netflix_current, cdc_netflix_changes
         over it), ops_merges, data/decisions.jsonl
Fails when: the change is implausible (too many inserts, updates or deletes, renumbered keys; exit
         20), or an invariant of the history does not hold.

`--plan` shows all that before it happens: it lands, stages and compares in a scratch folder and
writes nothing.
"""

import argparse
import sys

from contract import load_contract
from history.merge import clear_history, create_tables, find_pending, merge_pending, merged_batches
from ingest.manifest import landed_batches
from runner.step import Step, run_step


def run(step: Step) -> None:
    settings, con = step.settings, step.con
    batches = landed_batches(settings)
    contract = load_contract(settings.contract_path)
    step.batch_id = batches[-1].batch_id
    create_tables(con)
    todo, anew = find_pending(con, batches, settings)
    known = {name for name, key in merged_batches(con) if key == settings.cdc_key}
    if anew:
        clear_history(con)
    results = merge_pending(step, con, batches, contract, todo, known)
    step.rows_in = sum(found.staged for _, found in results)
    step.rows_out = con.execute("SELECT count(*) FROM analytics_netflix_current").fetchone()[0]
    if not results:
        step.message = f"{step.batch_id} is merged already"
        step.unchanged = not anew
    elif anew:
        step.message = f"history built anew from {len(results)} snapshots"
        step.note(step.message)
    else:
        step.message = "; ".join(str(found) for _, found in results)
    for done, _ in results:
        ambiguous = con.execute(
            "SELECT count(*) FROM ops_ambiguous_matches WHERE batch_id = ?", [done.batch_id]
        ).fetchone()[0]
        if ambiguous:
            step.warn(
                f"{ambiguous:,} record(s) of {done.batch_id} could be several titles; they were "
                "left as they were, see ops_ambiguous_matches"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plan", action="store_true", help="show the changes, write nothing")
    if not parser.parse_args().plan:
        return run_step("merge", run)
    from history.plan import show_plan

    return show_plan()


if __name__ == "__main__":
    sys.exit(main())
