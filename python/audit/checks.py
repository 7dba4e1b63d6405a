"""Run the checks of sql/checks/, each a query for offending rows.

A check is a file. Its first line is the rule; `-- broken:` says what is wrong if it does not hold.
`-- severity: error|warn` is the outcome of one offending row; `-- warn_if: > N` and
`-- error_if: > N` set other limits (odd_titles_pct: the contract's share of all titles).
`-- limit:` names the setting of an age, and `-- way_out:` says what to do if the check fails.
`-- scope:` says which rows are left to look at if it found nothing before: see scope.py.
"""

import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import duckdb

from audit.scope import Scope
from column import Column
from config import SQL
from errors import NotReady, QualityError
from runner import lock
from runner.console import GREEN, RED, YELLOW, say
from runner.log import open_log
from runner.step import Step
from warehouse.columns import choose_columns, expand_columns
from warehouse.database import Warehouse, has_tables, run_file, table_names

CURRENT = "analytics_netflix_current"
SHOWN_ROWS, KEPT_ROWS = 3, 20  # offending rows of a check on the terminal, and in the warehouse
# A check of the history, which cannot run before there is one.
OF_HISTORY = re.compile("analytics_netflix_history|ops_merges|ops_ambiguous_matches|metrics_now")
LEVELS = {"pass": logging.INFO, "warn": logging.WARNING, "fail": logging.ERROR}
WAY_OUT = "the pipeline did this, not the publisher: `make rebuild` replays the snapshots."
CANNOT_RUN = "it cannot run"
TOLERATED_TITLES = 20
COLOURS = {"pass": GREEN, "warn": YELLOW, "fail": RED}


@dataclass(frozen=True)
class Result:
    """The outcome of one check: how many rows offend, and the first few of them."""

    name: str
    description: str
    severity: str
    outcome: str  # pass, warn or fail
    count: int
    rows: list[str]
    way_out: str

    def __str__(self) -> str:
        lines = self.rows[:SHOWN_ROWS]
        if self.way_out:
            lines = [*lines, f"What to do: {self.way_out}"]
        rows = "".join(f"\n            {line}" for line in lines)
        return f"{self.outcome}: {self.name}, {self.count:,} row(s): {self.description}{rows}"


def compute_metrics(step: Step, columns: Sequence[Column], scope: Scope) -> None:
    """Create metrics_now and set step.batch_id to its batch; do nothing before the first merge.

    If nothing was merged since, they are those that the last audit recorded.
    """
    if has_tables(step.con, "ops_merges", "analytics_netflix_history"):
        if not scope.state:  # else the digest counted them
            run_file(step.con, "audit/counts.sql", columns=columns)
        name = "metrics_kept" if scope.is_still else "metrics"
        run_file(step.con, f"audit/{name}.sql", columns=columns)
        run_file(step.con, "audit/metrics_usual.sql")
        batch = step.con.execute("SELECT max(batch_id) FROM metrics_now").fetchone()
        step.batch_id = batch[0]


def select_checks(con: Warehouse) -> tuple[list[Path], int]:
    """Return the checks to run, and how many are left out.

    Before the first merge these are the checks of the history; the others read staging instead of
    current, and run_is_fresh checks that a merge follows. Raises NotReady if nothing was staged.
    """
    paths = sorted((SQL / "checks").glob("*.sql"))
    merges = con.execute(
        "SELECT count(*) FROM ops_runs WHERE step = 'merge' AND status = 'done'"
    ).fetchone()[0]
    if merges or has_tables(con, "ops_merges"):
        return paths, 0
    if "staging_records" not in table_names(con):
        raise NotReady("nothing was staged yet that could be audited; run `make run-all` first")
    run_file(con, "audit/staged_as_current.sql")
    chosen = [path for path in paths if not OF_HISTORY.search(path.read_text(encoding="utf-8"))]
    return chosen, len(paths) - len(chosen)


def choose_current_columns(con: Warehouse, columns: Sequence[Column]) -> Sequence[Column]:
    """Return the contract's columns that current has; all if there is no such view."""
    if CURRENT not in table_names(con):
        return columns  # a check of its own says so
    return choose_columns(con, CURRENT, columns)


def count_tolerated(con: Warehouse, odd_titles_pct: float) -> int:
    """Return how many titles may be odd before the audit fails, at least TOLERATED_TITLES."""
    if CURRENT not in table_names(con):
        return TOLERATED_TITLES  # a check of its own says so
    titles = con.execute(f"SELECT count(*) FROM {CURRENT}").fetchone()[0]
    return max(TOLERATED_TITLES, int(titles * odd_titles_pct / 100))


def run_check(
    con: Warehouse, path: Path, tolerated: int, columns: Sequence[Column], scope: Scope
) -> Result:
    """Run one check. One that cannot run has failed; the others still run.

    `tolerated` is the number of titles that odd_titles_pct stands for; `columns` are current's.
    """
    try:
        return evaluate_check(con, path, tolerated, columns, scope)
    except duckdb.IOException:  # the warehouse itself is damaged
        raise
    except Exception as error:
        rows = [f"{type(error).__name__}: {error}".splitlines()[0]]
        way_out = f"the message says why {path} cannot run: fix that, or the check"
        return Result(path.stem, CANNOT_RUN, "error", "fail", 0, rows, way_out)


def evaluate_check(
    con: Warehouse, path: Path, tolerated: int, columns: Sequence[Column], scope: Scope
) -> Result:
    """Count the rows that a check finds and judge them. Raises what the query raises."""
    text = path.read_text(encoding="utf-8")
    description = text.splitlines()[0].removeprefix("-- ")
    match = re.search(r"^-- severity: (error|warn)$", text, re.MULTILINE)
    if not match:
        raise QualityError(f"{path} says no `-- severity: error` or `-- severity: warn`")
    severity = match[1]
    broken = re.search(r"^-- broken: (.+)$", text, re.MULTILINE)
    way_out = re.search(r"^-- way_out: (.+)$", text, re.MULTILINE)
    limits = {"error_if": 0 if severity == "error" else inf, "warn_if": 0}
    limit = re.compile(r"^-- (warn_if|error_if): > (\d+|odd_titles_pct)$", re.MULTILINE)
    for name, number in limit.findall(text):
        limits[name] = int(number) if number.isdigit() else tolerated
    query = scope.narrow(path, expand_columns(text, columns))
    count, shown = fetch_rows(con, query) if query else (0, [])
    outcome = "pass"
    if count > limits["error_if"]:
        outcome = "fail"
    elif count > limits["warn_if"]:
        outcome = "warn"
    if outcome != "pass":
        description = broken[1] if broken else f"not so: {description}"
    about = way_out[1] if way_out else WAY_OUT if outcome == "fail" else ""
    return Result(path.stem, description, severity, outcome, count, shown, about)


def fetch_rows(con: Warehouse, query: str) -> tuple[int, list[str]]:
    """Return how many rows a query finds, and the first KEPT_ROWS of them as text."""
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchmany(KEPT_ROWS)
    count = len(rows)
    while more := len(cursor.fetchmany(10_000)):
        count += more
    return count, [", ".join(map("{}={}".format, names, row)) for row in rows]


def record_results(step: Step, results: list[Result], checked_at: Any, is_good: bool) -> None:
    """Add the outcome to the ops tables, whether the audit passes or not."""
    start = (step.run_id, step.batch_id, checked_at)
    insert_rows(
        step,
        "ops_checks",
        [(*start, r.name, r.severity, r.outcome, r.count, r.description) for r in results],
    )
    offending = [
        (step.run_id, result.name, number, row)
        for result in results
        if result.outcome != "pass"
        for number, row in enumerate(result.rows, 1)
    ]
    insert_rows(step, "ops_check_failures", offending)
    if step.batch_id:
        measured = step.con.execute(
            "SELECT batch_id, snapshot_at, metric, value FROM metrics_now"
        ).fetchall()
        step.add_ops_row("DELETE FROM ops_metrics WHERE batch_id = ?", [step.batch_id])
        insert_rows(step, "ops_metrics", [(*row, is_good) for row in measured])


def insert_rows(step: Step, table: str, rows: list[tuple]) -> None:
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(rows[0]))})" for _ in rows)
        step.add_ops_row(
            f"INSERT INTO {table} VALUES {marks}", [value for row in rows for value in row]
        )


def report_results(step: Step, results: list[Result]) -> None:
    """Write a line per check to monitor.log; show what did not pass, outside a chain all checks."""
    with open_log(step.settings, "monitor", step.run_id, "monitor.log") as log:
        for result in results:
            fields: dict[str, Any] = {"rows": result.count}
            if result.outcome != "pass":
                fields["examples"] = "; ".join(result.rows[:SHOWN_ROWS])
            log.log(
                LEVELS[result.outcome], f"{result.outcome} {result.name}", extra={"fields": fields}
            )
    if not lock.inherited:
        width = max(len(result.name) for result in results)
        for result in results:
            line = f"{result.outcome:<5} {result.name:<{width}} {result.count:>9,}"
            say(f"monitor   {line}  {result.description}", COLOURS[result.outcome])
    for result in results:
        if result.outcome != "pass":
            say(f"monitor   {result}", COLOURS[result.outcome], sys.stderr)
