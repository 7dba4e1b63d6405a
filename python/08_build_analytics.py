"""Answer the business questions: a star schema over the history, and KPI views over it.

Reads:   analytics_netflix_history, analytics_netflix_current, ops_merges; sql/analytics/*.sql,
         the audiences of ratings in sql/contract.toml
Writes:  dim_*, fact_title_catalog, bridge_title_*, sums_title_*, the kpi_* views, analytics_build,
         analytics_contents; the comments of all tables that are published
Fails when: nothing was merged yet (exit 2), a table was changed outside the pipeline, or an
         invariant of the star schema does not hold (exit 1)

If the history did not change, nothing is rebuilt: analytics_build says what was built. After one
more merge, only its changes are built in; `--full` rebuilds all from the history.

Example: python python/08_build_analytics.py --full    or    make analytics FULL=1
"""

import sys

from analytics.follow import can_follow, follow_history, record_contents
from analytics.star_schema import (
    build_star_schema,
    check_invariants,
    count_facts,
    count_star_objects,
    find_built,
    has_comments,
    read_history_state,
    report_unknown_countries,
)
from contract import load_contract
from runner.options import read_flags
from runner.step import Step, run_step
from warehouse.columns import choose_columns
from warehouse.database import run_file


def run(step: Step, full: bool = False) -> None:
    con = step.con
    contract = load_contract(step.settings.contract_path)
    state = read_history_state(con, contract)
    columns = choose_columns(con, "analytics_netflix_history", contract.columns)
    step.batch_id, step.rows_in = state["batch_id"], state["history_rows"]
    for name in ("view_comments",) if has_comments(con, state) else ("comments", "view_comments"):
        run_file(con, f"analytics/{name}.sql", columns=columns)
    if not full and (known := find_built(con, state)):
        step.rows_out = known
        step.message = f"star schema of {state['current_rows']:,} titles, as before"
        return
    follows = not full and can_follow(con, state)
    if not (follows and follow_history(con, contract.audiences, state["snapshot_at"])):
        build_star_schema(con, contract.audiences, columns)
        check_invariants(con, "invariants_all")
    check_invariants(con, "invariants")
    if con.has_transactions:
        record_contents(con)
    state |= count_star_objects(con)
    run_file(con, "analytics/build_record.sql", state)
    step.rows_out = count_facts(con)
    step.message = (
        f"{step.rows_out:,} title versions, {state['current_rows']:,} of them current, "
        f"in {state['objects']} tables and views"
    )
    report_unknown_countries(step)


def main() -> int:
    full = read_flags(__doc__, full="build all from the history").full
    return run_step("analytics", lambda step: run(step, full), can_read_snapshots=False)


if __name__ == "__main__":
    sys.exit(main())
