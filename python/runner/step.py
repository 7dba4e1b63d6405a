"""Run one step: what every numbered script shares around its own work.

Lock, settings, log lines, timing, one transaction, a row in ops_runs, a summary line, exit code.
"""

import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import Settings, __version__, find_env_file, load_settings
from errors import CRASH, DONE, STATE, STOPPED, LockedError, NotReady, StepError, exit_code
from runner import lock, signals
from runner.console import CYAN, say, say_error, say_warning, show_progress
from runner.log import new_run_id, open_log, utc_now
from runner.options import read_flags
from runner.redact import complete_command, redact_source

if TYPE_CHECKING:
    from warehouse.database import Warehouse
DAMAGED = ("Corrupt database file", "Could not read enough bytes")  # words of DuckDB's errors
UNDONE = (CRASH, STOPPED, STATE)  # codes of a step that began, and of which nothing stays
# Steps of a chain after which the file is complete without a log: what is published from it is not
# newer, even if the power fails and the log's name was not on the disk yet.
COMPLETE_AFTER = ("analytics", "publish", "mirror")
GOES_ON = "; run it again: it goes on where it stopped"
last_error = ""  # why the last step of this process failed, for the chain and the alerts


@dataclass
class Step:
    """One run of one step: what it works with, and what it reports at the end."""

    name: str
    settings: Settings
    run_id: str
    log: logging.Logger
    con: "Warehouse" = None  # type: ignore[assignment]  # None in a step without a warehouse
    requires_warehouse: bool = False
    in_transaction: bool = True
    reads: tuple[Path, ...] = ()  # the folders that step.con may read and write
    batch_id: str | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    message: str = ""
    rest: str = "Nothing was changed."  # what a step without a warehouse leaves if it is stopped
    started_at: datetime = field(default_factory=utc_now)
    ops_rows: list[tuple[str, list]] = field(default_factory=list)
    at_end: "list[Callable[[Warehouse], None]]" = field(default_factory=list)
    clock: float = field(default_factory=time.perf_counter)

    def add_ops_row(self, statement: str, values: list[Any]) -> None:
        """Add an ops row, which is written with the run record even if the step fails."""
        self.ops_rows.append((statement, values))

    def event(self, event: str, level: int = logging.INFO, **fields: Any) -> None:
        """Write one line to logs/pipeline.log: the event and key=value pairs."""
        self.log.log(level, event, extra={"fields": fields})

    def note(self, text: str) -> None:
        """Tell something worth knowing, in the log and on the terminal."""
        self.event("note", text=text)
        say(f"{self.name:<9} note: {text}", CYAN)

    def warn(self, text: str) -> None:
        """Warn in the log and on the terminal."""
        self.event("warning", logging.WARNING, text=text)
        say_warning(f"{self.name:<9} warning: {text}")


def run_step(
    name: str,
    run: Callable[[Step], None],
    warehouse: bool = True,
    requires_warehouse: bool = False,
    can_read_snapshots: bool = True,
    usage: str = "",
    in_transaction: bool = True,
) -> int:
    """Run one step and return its exit code; see errors.py for the table.

    With `warehouse`, step.con is the open warehouse, and the step is one transaction together with
    its row in ops_runs; without, the row is written afterwards. With `requires_warehouse`, a
    missing warehouse is an error; else it is created. Besides it, step.con can reach only the
    snapshots; without `can_read_snapshots` not even those. Without `in_transaction`, the step
    writes only its records, and a query that fails spoils neither the other queries nor the
    records. With `usage`, the script's docstring, the command line is read: it takes only --help.
    """
    if usage:
        read_flags(usage)
    run_id = os.environ.get("RUN_ID") or new_run_id()
    signals.watch(name, GOES_ON)
    try:
        settings = load_settings()
        warn_of_env_file()
        with open_log(settings, name, run_id) as log:
            reads = (settings.snapshots,) if warehouse and can_read_snapshots else ()
            step = Step(
                name, settings, run_id, log, requires_warehouse=requires_warehouse, reads=reads
            )
            step.in_transaction = in_transaction
            with signals.at_interrupt(lambda text: step.event("failed", logging.ERROR, text=text)):
                return run_and_report(step, run, warehouse)
    except (StepError, OSError) as error:
        keep_error(error)
        say_error(f"{name:<9} failed: {error}")
        return exit_code(error)


def keep_error(error: object) -> None:
    global last_error
    last_error = str(error)


def warn_of_env_file() -> None:
    """Warn if everybody on this machine can read the passwords in .env; in a chain only once."""
    path = find_env_file()
    if not lock.inherited and path and path.stat().st_mode & 0o004:
        say_warning(
            f"settings  warning: everybody on this machine can read {path}: chmod 600 {path}"
        )


def run_and_report(step: Step, run: Callable[[Step], None], warehouse: bool) -> int:
    """Run under the lock, report how it ended, and return the exit code."""
    step.event("started", pid=os.getpid())
    try:
        with show_progress(step.name), lock.hold_lock(step.settings):
            try:
                run_in_transaction(step, run, warehouse)
            except Exception as error:
                record_failure(step, error)
                raise
    except StepError as error:
        keep_error(error)
        say_error(f"{step.name:<9} stopped: {complete_command(str(error))}")
        if error.exit_code in UNDONE:
            rest = describe_rest(step.settings, step.rest) if step.con else step.rest
            say_error(f"{'':<9} {rest}")
        step.event("failed", logging.ERROR, code=error.exit_code, text=error)
        return error.exit_code
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        step.event("crashed", logging.ERROR, text=redact_source(text, step.settings))
        first = (redact_source(str(error), step.settings).splitlines() or [""])[0]
        what = f"crashed: {type(error).__name__}: {first}"
        code = STATE if is_damaged(text) else CRASH
        step.event("failed", logging.ERROR, code=code, text=what)
        keep_error(what)
        say_error(
            f"{step.name:<9} {what}\n"
            f"{'':<9} {describe_rest(step.settings)} The traceback is in "
            f"{step.settings.log_dir / 'pipeline.log'}, run {step.run_id}. {recovery_hint(text)}"
        )
        return code
    seconds = time.perf_counter() - step.clock
    step.event(
        "done",
        batch=step.batch_id,
        rows_in=step.rows_in,
        rows_out=step.rows_out,
        seconds=f"{seconds:.3f}",
        text=step.message,
    )
    count = "" if step.rows_out is None else f"{step.rows_out:,}"
    say(f"{step.name:<9} {count:>11} rows  {seconds:6.2f} s  {step.message}")
    return DONE


def run_in_transaction(step: Step, run: Callable[[Step], None], warehouse: bool) -> None:
    leaves_log = lock.inherited and step.name not in COMPLETE_AFTER
    if not warehouse:
        run(step)
        with open_with_ops_tables(step, leaves_log) as con:
            record_run(con, step, "done", step.message)
        return
    from warehouse.database import transaction

    with open_with_ops_tables(step, leaves_log) as con:
        step.con = con
        if not step.in_transaction:
            run(step)
        with transaction(con):
            if step.in_transaction:
                run(step)
            record_run(con, step, "done", step.message)


@contextmanager
def open_with_ops_tables(step: Step, leaves_log: bool = False) -> "Iterator[Warehouse]":
    """Open the warehouse with its ops tables; close it with a checkpoint at the end.

    With `leaves_log`, what was written may stay in DuckDB's write-ahead log for the next step of
    the chain: a checkpoint takes 10 ms. After the chain none is left: who copies or moves the file
    may not know that the log belongs to it, and DuckDB replays it into an older copy.
    """
    from warehouse.database import has_warehouse, open_warehouse, transaction

    if step.requires_warehouse and not has_warehouse(step.settings):
        raise NotReady(
            f"there is no warehouse at {step.settings.warehouse_path}. If there was one, "
            "`make rebuild` restores it from the raw snapshots; else `make run-all` creates it."
        )
    con = open_warehouse(step.settings, step.reads)
    try:
        with transaction(con):  # if the process is killed here, a new file is still new
            make_ops_tables(con)
        yield con
        if not leaves_log:
            con.execute("CHECKPOINT")
    finally:
        con.close()


def make_ops_tables(con: "Warehouse") -> None:
    """Create the tables for the records of each step, and mark a file that is new."""
    from warehouse.database import run_file

    is_new = con.has_transactions and not con.objects()
    run_file(con, "ops.sql")
    if is_new:
        run_file(con, "new_file.sql")


def record_run(con: "Warehouse", step: Step, status: str, message: str) -> None:
    for statement, row in step.ops_rows:
        con.execute(statement, row)
    for work in step.at_end:
        work(con)
    values: list[Any] = [step.run_id, step.batch_id, step.name, status, step.started_at, utc_now()]
    values += [step.rows_in, step.rows_out, message, __version__]
    con.execute("INSERT INTO ops_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def record_failure(step: Step, error: Exception) -> None:
    """Write the failed run's row to ops_runs; if even that fails, the log says why."""
    from warehouse.database import has_warehouse, transaction

    could_not_begin = step.requires_warehouse or isinstance(error, NotReady)
    if isinstance(error, LockedError) or (could_not_begin and not has_warehouse(step.settings)):
        return  # another process is working there, or there is no warehouse
    try:
        with open_with_ops_tables(step) as con, transaction(con):
            text = redact_source(f"{type(error).__name__}: {error}", step.settings)
            record_run(con, step, "failed", text)
    except Exception as second:
        step.event("not_recorded", logging.ERROR, text=second)


def describe_rest(settings: Settings, rest: str = "All changes were rolled back.") -> str:
    """Say what a failed step left in the warehouse; DuckDB rolls back, other engines do not."""
    if settings.warehouse == "duckdb":
        return rest
    return f"On {settings.warehouse} a merge may be half done; the next run undoes it."


def is_damaged(text: str) -> bool:
    return any(words in text for words in DAMAGED)


def recovery_hint(text: str) -> str:
    if is_damaged(text):
        return "The warehouse is damaged: `make rebuild` restores it from the raw snapshots."
    return "Fix the cause and run the step again."
