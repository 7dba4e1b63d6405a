"""run_step(): what every numbered script shares around its own work.

Lock, settings, log lines, timing, one transaction, a row in ops_runs, a summary line, exit code.
"""

import fcntl
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from config import PROJECT, Settings, load_settings
from errors import CRASH, DONE, LockedError, QualityError, StepError, exit_code

if TYPE_CHECKING:
    from engine import DuckDBPyConnection

LOG_BYTES, LOG_FILES = 5_000_000, 5
DAMAGED = ("Corrupt database file", "Could not read enough bytes")  # what DuckDB says then
in_chain = False  # set by run_all.py, which holds the lock for the steps that it forks


def utc_now() -> datetime:
    """The time now, UTC without tzinfo, as the warehouse stores times."""
    return datetime.now(UTC).replace(tzinfo=None)


def printable(text: str) -> str:
    """The text with control characters escaped: file content never drives the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which it keeps."""
    return "\n".join(printable(line) for line in text.split("\n"))


@dataclass
class Step:
    """One run of one step: what it works with, and what it reports at its end."""

    name: str
    settings: Settings
    run_id: str
    log: logging.Logger
    con: "DuckDBPyConnection | None" = None
    must_exist: bool = False
    reads: tuple[Path, ...] = ()  # the folders that step.con may read and write
    batch_id: str | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    message: str = ""
    found_done: bool = False  # nothing but the run's record is written
    started_at: datetime = field(default_factory=utc_now)
    kept: list[tuple[str, list]] = field(default_factory=list)
    clock: float = field(default_factory=time.perf_counter)

    def keep(self, statement: str, values: list[Any]) -> None:
        """An ops row to be written with the run record, whether the step is done or fails."""
        self.kept.append((statement, values))

    def event(self, event: str, level: int = logging.INFO, **fields: Any) -> None:
        """One line in logs/pipeline.log: the event and key=value pairs."""
        self.log.log(level, event, extra={"fields": fields})

    def note(self, text: str) -> None:
        """Something worth knowing: a line in the log and one on the terminal."""
        self.event("note", text=text)
        say(f"{self.name:<9} note: {text}", "36")

    def warn(self, text: str) -> None:
        """A line in the log and one on the terminal."""
        self.event("warning", logging.WARNING, text=text)
        say(f"{self.name:<9} warning: {text}", "33", sys.stderr)


class TextLine(logging.Formatter):
    """UTC time, level, step, run id, the event, key=value pairs: for a person and for grep."""

    def __init__(self, name: str, run_id: str):
        super().__init__()
        self.name, self.run_id = name, run_id

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {}).items()
        pairs = "".join(f" {key}={value_text(value)}" for key, value in fields)
        return (
            f"{self.time(record)} {record.levelname:<7} {self.name} run={printable(self.run_id)} "
            f"{printable(record.msg)}{pairs}"
        )

    def time(self, record: logging.LogRecord) -> str:
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class JsonLine(TextLine):
    """The same as one JSON object, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        import json

        line = {"at": self.time(record), "level": record.levelname, "step": self.name}
        line |= {"run": self.run_id, "event": record.msg, **getattr(record, "fields", {})}
        return json.dumps(line, default=str)


class LogFile(logging.FileHandler):
    """A log that cannot be written (a full disk) changes no step's outcome; one line tells."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:  # called where an error is handled
        if not self.told:
            say(
                f"log       not written: {sys.exc_info()[1]}: {self.baseFilename}", "33", sys.stderr
            )
            self.told = True

    def close(self) -> None:
        with suppress(OSError):  # it tries once more what was told before
            super().close()


def value_text(value: Any) -> str:
    text = printable(str(value))
    return f'"{text}"' if " " in text else text


def say(text: str, colour: str, stream: Any = None) -> None:
    """A line for the person, escaped, coloured on a terminal only and never under NO_COLOR."""
    stream = stream or sys.stdout
    text = printable_lines(text)
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\033[{colour}m{text}\033[0m"
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def run_step(
    name: str,
    run: Callable[[Step], None],
    warehouse: bool = True,
    must_exist: bool = False,
    reads_raw: bool = True,
) -> int:
    """Run one step and return its exit code; see errors.py for the table.

    With `warehouse`, step.con is the open warehouse and the step is one transaction together
    with its row in ops_runs. Without, the step sets no table; its record is written after it.
    With `must_exist` a missing warehouse is an error, and none is made. The snapshots are the only
    files that step.con can reach beside the warehouse; without `reads_raw` not even those.
    """
    run_id = os.environ.get("RUN_ID") or new_run_id()
    try:
        settings = load_settings()
        warn_of_env_file()
        with open_log(settings, name, run_id) as log:
            reads = (settings.snapshots,) if warehouse and reads_raw else ()
            step = Step(name, settings, run_id, log, must_exist=must_exist, reads=reads)
            return attempt(step, run, warehouse)
    except (StepError, OSError) as error:
        say(f"{name:<9} failed: {error}", "31", sys.stderr)
        return exit_code(error)


def warn_of_env_file() -> None:
    """Say that everybody on this machine can read the passwords in .env; a chain says it once."""
    path = PROJECT / ".env"
    if not in_chain and path.is_file() and path.stat().st_mode & 0o004:
        say(
            f"settings  warning: everybody on this machine can read {path}: chmod 600 {path}",
            "33",
            sys.stderr,
        )


def attempt(step: Step, run: Callable[[Step], None], warehouse: bool) -> int:
    """Run under the lock; tell log and person how it ended; return the exit code."""
    step.event("started", pid=os.getpid())
    try:
        with lock(step.settings):
            try:
                work(step, run, warehouse)
            except (Exception, KeyboardInterrupt) as error:
                record_failure(step, error)
                raise
    except StepError as error:
        say(f"{step.name:<9} stopped: {error}", "31", sys.stderr)
        step.event("failed", logging.ERROR, code=error.exit_code, text=error)
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        text = "".join(traceback.format_exception(error))
        step.event("crashed", logging.ERROR, text=without_keys(text, step.settings))
        first = (without_keys(str(error), step.settings).splitlines() or [""])[0]
        what = f"crashed: {type(error).__name__}: {first}"
        step.event("failed", logging.ERROR, code=CRASH, text=what)  # the alert is of this line
        say(
            f"{step.name:<9} {what}\n"
            f"{'':<9} Nothing half-done was kept. The traceback is in "
            f"{step.settings.log_dir / 'pipeline.log'}, run {step.run_id}. {way_out(text)}",
            "31",
            sys.stderr,
        )
        return CRASH
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
    say(f"{step.name:<9} {count:>11} rows  {seconds:6.2f} s  {step.message}", "0")
    return DONE


def way_out(text: str) -> str:
    if any(words in text for words in DAMAGED):
        return "The warehouse is damaged: `make rebuild` restores it from the raw snapshots."
    return "Mend the cause and run it again."


def work(step: Step, run: Callable[[Step], None], warehouse: bool) -> None:
    if not warehouse:
        run(step)
        with recording(step) as con:
            record(con, step, "done", step.message)
        return
    from warehouse import transaction

    with recording(step) as con:
        step.con = con
        with transaction(con):
            run(step)
            record(con, step, "done", step.message)


@contextmanager
def recording(step: Step) -> "Iterator[DuckDBPyConnection]":
    """The warehouse with its ops tables, closed with a checkpoint at the end.

    The record of a step that found its work done may stay in DuckDB's log, beside the file, until
    the next checkpoint: one takes 20 ms, a third of such a step.
    """
    from warehouse import exists, open_warehouse, run_sql

    if step.must_exist and not exists(step.settings):
        raise QualityError(
            f"there is no warehouse at {step.settings.warehouse_path}. If it should be there: "
            "`make rebuild` restores it from the raw snapshots; else `make run-all` makes it."
        )
    con = open_warehouse(step.settings, step.reads)
    try:
        run_sql(con, "ops.sql")
        yield con
        if not step.found_done:
            con.execute("CHECKPOINT")
    finally:
        con.close()


def record(con: "DuckDBPyConnection", step: Step, status: str, message: str) -> None:
    for statement, values in step.kept:
        con.execute(statement, values)
    con.execute(
        "INSERT INTO ops_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            step.run_id,
            step.batch_id,
            step.name,
            status,
            step.started_at,
            utc_now(),
            step.rows_in,
            step.rows_out,
            message,
        ],
    )


def record_failure(step: Step, error: BaseException) -> None:
    """The failed run's row in ops_runs; where even that fails, the log says so and why."""
    from warehouse import exists, transaction

    if isinstance(error, LockedError) or (step.must_exist and not exists(step.settings)):
        return  # somebody else is working there, or there is nothing to write it to
    try:
        with recording(step) as con, transaction(con):
            text = without_keys(f"{type(error).__name__}: {error}", step.settings)
            record(con, step, "failed", text)
    except Exception as second:
        step.event("not_recorded", logging.ERROR, text=second)


def without_keys(text: str, settings: Settings) -> str:
    """The text of an unexpected error, which may quote the source's URL, without its keys."""
    if "://" not in settings.source:
        return text
    from remote import hidden

    return hidden(text, settings.source)


@contextmanager
def lock(settings: Settings) -> Iterator[None]:
    """One step, or one chain of steps, at a time on one warehouse; it dies with its processes."""
    if in_chain:
        yield
        return
    path = Path(f"{settings.warehouse_path}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"another run is working on {settings.warehouse_path} ({holder(handle)}); "
                "nothing was changed. Wait for it to end and run the step again."
            ) from None
        handle.truncate(0)
        handle.write(f"pid {os.getpid()} since {utc_now():%Y-%m-%d %H:%M:%S} UTC\n")
        handle.flush()
        yield


def holder(handle: TextIO) -> str:
    """Who holds the lock; one that got it just now needs a moment to write that down."""
    for _ in range(20):
        handle.seek(0)
        if text := handle.read().strip():
            return text
        time.sleep(0.02)
    return "it has not said its pid"


def new_run_id() -> str:
    return f"{utc_now():%Y%m%dT%H%M%S}-{os.getpid()}"


@contextmanager
def open_log(
    settings: Settings, name: str, run_id: str, file: str = "pipeline.log"
) -> Iterator[logging.Logger]:
    """A log file that rotates by size; LOG_FORMAT says how a line looks."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    rotate(settings.log_dir / file)
    handler = LogFile(settings.log_dir / file, encoding="utf-8")
    handler.setFormatter((JsonLine if settings.log_format == "json" else TextLine)(name, run_id))
    log = logging.Logger("pipeline", logging.INFO)  # its own logger: nothing else writes to it
    log.addHandler(handler)
    try:
        yield log
    finally:
        handler.close()


def rotate(path: Path) -> None:
    """Before a full log goes on: it becomes <name>.1, that one <name>.2, and so on to the last."""
    if not path.exists() or path.stat().st_size < LOG_BYTES:
        return
    for number in range(LOG_FILES - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            os.replace(older, path.with_name(f"{path.name}.{number + 1}"))
    os.replace(path, path.with_name(f"{path.name}.1"))


@contextmanager
def written(settings: Settings, quiet: bool) -> Iterator[list[int]]:
    """With `quiet` (from cron): all output goes to logs/cron.log, that of a failure to stderr, too.

    Gives a list, to which the exit code is appended.
    """
    code: list[int] = []
    if not quiet:
        yield code
        return
    path = settings.log_dir / "cron.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    rotate(path)
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    start = os.lseek(log, 0, os.SEEK_END)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        yield code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for handle in (*saved, log):
            os.close(handle)
        if not code or code[-1]:
            with open(path, "rb") as file:
                file.seek(start)
                sys.stderr.write(file.read().decode("utf-8", "replace"))
