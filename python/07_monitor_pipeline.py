"""Audit the warehouse: every check in sql/checks/, each a query for offending rows.

Reads:   the warehouse, sql/checks/*.sql
Writes:  logs/monitor.log (a line per check), ops_runs
Fails when: a check of severity "error" finds rows, or cannot be run (exit 30).

A check is a file: its first comment line is its description, `-- severity: error|warn` its weight.
"""

import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from config import SQL
from engine import duckdb
from errors import QualityError
from steps import Step, open_log, printable, run_step, say, utc_now

SHOWN_ROWS = 3
LEVELS = {"pass": logging.INFO, "warn": logging.WARNING, "fail": logging.ERROR}
COLOURS = {"pass": "32", "warn": "33", "fail": "31"}


@dataclass(frozen=True)
class Result:
    """The outcome of one check: how many rows offend, and the first few of them."""

    name: str
    description: str
    verdict: str  # pass, warn or fail
    count: int
    examples: list[str]


def run(step: Step) -> None:
    step.con.execute("SET VARIABLE checked_at = ?", [utc_now()])
    step.con.execute("SET VARIABLE freshness_days = ?", [step.settings.freshness_days])
    results = [check(step.con, path) for path in sorted((SQL / "checks").glob("*.sql"))]
    with open_log(step.settings, "monitor", step.run_id, "monitor.log") as log:
        for result in results:
            examples = printable("; ".join(result.examples))
            line = f"{result.verdict} {result.name} rows={result.count} {examples}"
            log.log(LEVELS[result.verdict], "%s", line.rstrip())
    for result in results:
        if result.verdict != "pass":
            say(
                f"monitor   {result.verdict}: {result.name}, {result.count:,} row(s): "
                f"{result.description}"
                + "".join(f"\n            {row}" for row in result.examples),
                COLOURS[result.verdict],
                sys.stderr,
            )
    count = {verdict: sum(result.verdict == verdict for result in results) for verdict in COLOURS}
    step.rows_out = len(results)
    step.message = f"checks: {count['pass']} passed, {count['warn']} warned, {count['fail']} failed"
    if count["fail"]:
        failed = ", ".join(result.name for result in results if result.verdict == "fail")
        raise QualityError(
            f"{count['fail']} of {len(results)} checks failed ({failed}); nothing is published "
            f"past them. The rows: {step.settings.log_dir / 'monitor.log'}, run {step.run_id}"
        )


def check(con: duckdb.DuckDBPyConnection, path: Path) -> Result:
    """Run one check. A check that cannot be run has failed: what it guards is not known."""
    text = path.read_text(encoding="utf-8")
    description = text.splitlines()[0].removeprefix("-- ")
    severity = re.search(r"^-- severity: (error|warn)$", text, re.MULTILINE)
    if not severity:
        raise QualityError(f"{path} says no `-- severity: error` or `-- severity: warn`")
    try:
        cursor = con.execute(text)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(SHOWN_ROWS)
        count = len(rows)
        while more := len(cursor.fetchmany(10_000)):
            count += more
    except duckdb.CatalogException as error:
        return Result(path.stem, description, "fail", 0, [str(error).splitlines()[0]])
    examples = [
        ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) for row in rows
    ]
    verdict = "pass" if not count else "fail" if severity[1] == "error" else "warn"
    return Result(path.stem, description, verdict, count, examples)


if __name__ == "__main__":
    sys.exit(run_step("monitor", run))
