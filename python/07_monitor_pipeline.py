"""Audit the warehouse with every check in sql/checks/, each a query for offending rows.

Reads:   the warehouse, sql/checks/*.sql, sql/audit/*.sql, sql/contract.toml
Writes:  ops_checks, ops_check_failures, ops_metrics, logs/monitor.log (a line per check),
         data/alerts; outside a chain it also sends the alerts
Fails when: nothing was staged yet (exit 2), the state does not fit together (exit 40), or a check
         of severity "error" finds rows or cannot run (exit 30): then the published page says so
         above its data

Example: python python/07_monitor_pipeline.py    or    make monitor
"""

import sys

import duckdb

from audit.checks import (
    CANNOT_RUN,
    COLOURS,
    Result,
    choose_current_columns,
    compute_metrics,
    count_tolerated,
    record_results,
    report_results,
    run_check,
    select_checks,
)
from audit.scope import Scope, find_scope, find_verdicts, record_scope
from config import load_settings
from contract import Contract, bind, load_contract
from errors import DONE, LOCKED, QUALITY, QualityError, SettingsError, StepError, exit_code
from ingest.decisions import find_refused
from ingest.manifest import Batch, read_batches
from ingest.state import check_state
from operations import alerts
from publish.held import hold_back
from runner import lock
from runner.console import say_error, say_warning
from runner.log import redirect_to_cron_log, utc_now
from runner.options import read_flags
from runner.step import Step, run_step
from staging.files import point_views, require_whole_staging
from warehouse.database import Warehouse, fetch_file, has_tables, set_variables

VARIABLES = ("freshness_days", "max_run_age_hours", "same_bytes_days", "newest_title_days")


def run(step: Step) -> None:
    check_state(step)
    con, checked_at = step.con, utc_now()
    require_whole_staging(con, read=not lock.inherited)
    try:
        point_views(con)
    except duckdb.Error:
        require_whole_staging(con, read=True)
        raise
    limits = {name: getattr(step.settings, name) for name in VARIABLES}
    set_variables(
        con, limits | fetch_file(con, "audit/last_run.sql")[0] | {"checked_at": checked_at}
    )
    contract = load_contract(step.settings.contract_path)
    batches = read_batches(step.settings)
    names = " ".join(batch.batch_id for batch in find_refused(step.settings, batches))
    not_null = find_not_null_columns(con, contract, batches)
    set_variables(con, contract.variables | {"left_out": names, "not_null_columns": not_null})
    paths, left_out = select_checks(con)
    columns = choose_current_columns(con, contract.columns)
    tolerated = count_tolerated(con, contract.odd_titles_pct)

    def run_checks(scope: Scope) -> list[Result]:
        compute_metrics(step, columns, scope)
        return [run_check(con, path, tolerated, columns, scope) for path in paths]

    scope = find_scope(con, contract, columns, full=not lock.inherited)
    results = run_checks(scope)
    if scope.is_still and find_verdicts(con) != {r.name: r.outcome for r in results}:
        scope = find_scope(con, contract, columns, full=True)  # it will be published
        results = run_checks(scope)
    if any(result.description == CANNOT_RUN for result in results):
        require_whole_staging(con, read=True)
    failed = [result.name for result in results if result.outcome == "fail"]
    record_results(step, results, checked_at, is_good=not failed)
    found = zip(paths, results, strict=True)  # last: what is not recorded is looked at again
    record_scope(step, scope, [p for p, r in found if r.outcome == "pass" and not r.count])
    report_results(step, results)
    alerts.save_audit_state(
        step.settings,
        problems={r.name: str(r) for r in results if r.outcome == "fail"},
        warnings={r.name: str(r) for r in results if r.outcome == "warn"},
    )
    count = {outcome: sum(result.outcome == outcome for result in results) for outcome in COLOURS}
    step.rows_out = len(results)
    step.message = f"checks: {count['pass']} passed, {count['warn']} warned, {count['fail']} failed"
    if left_out:
        step.message += f", {left_out} left out: nothing is merged yet"
    if failed:
        raise QualityError(
            f"{len(failed)} of {len(results)} checks failed ({', '.join(failed)}); nothing is "
            "published, readers keep the last version. The rows are in ops_check_failures and "
            f"{step.settings.log_dir / 'monitor.log'}, run {step.run_id}"
        )


def find_not_null_columns(con: Warehouse, contract: Contract, batches: list[Batch]) -> list[str]:
    """Return the columns that must have a value, of those that the staged file has."""
    if not has_tables(con, "staging_counts"):
        return []
    staged = con.execute("SELECT batch_id FROM staging_counts").fetchall()
    columns = [batch.columns for batch in batches if (batch.batch_id,) in staged]
    bound = bind(contract, columns[0]) if columns else {}
    return [c.name for c in contract.columns if not c.nullable and bound.get(c.name)]


def audit() -> int:
    """Audit under the lock; if a check fails, mark the published page."""
    code = run_step("monitor", run, requires_warehouse=True, in_transaction=False)
    if code == QUALITY:
        try:
            settings = load_settings()
            with lock.hold_lock(settings):
                batches = read_batches(settings)
                hold_back(settings, {b.batch_id: (b.source, b.sample) for b in batches})
        except (StepError, OSError) as error:
            say_warning(f"monitor   warning: the published page does not say so yet: {error}")
    return code


def main() -> int:
    """Run the audit; outside a chain, send the alerts. With --quiet, cron mails only failures."""
    quiet = read_flags(__doc__, quiet="for cron: output goes to logs/cron.log").quiet
    if lock.inherited:
        return audit()
    try:
        settings = load_settings()
        with redirect_to_cron_log(settings, quiet) as ended:
            code = audit()
            if code == LOCKED:  # a run is at work, and will audit
                ended.append(DONE if quiet else LOCKED)
            else:
                alerts.notify_after_audit(settings, code)
                ended.append(code)
        return ended[-1]
    except (SettingsError, OSError) as error:  # the latter: data/alerts cannot be written
        say_error(f"monitor   failed: {error}")
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
