"""Write the log files: one line per event, rotated by size. Cron's output has one, too."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config import Settings
from runner.console import printable, say_warning, write
from runner.signals import at_interrupt

LOG_BYTES, LOG_FILES = 5_000_000, 5


def utc_now() -> datetime:
    """Return the time now, UTC without tzinfo, as the warehouse stores times."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_run_id() -> str:
    return f"{utc_now():%Y%m%dT%H%M%S.%f}-{os.getpid()}"  # two in a second are two


@contextmanager
def open_log(
    settings: Settings, name: str, run_id: str, file: str = "pipeline.log"
) -> Iterator[logging.Logger]:
    """Open a log file that rotates by size; LOG_FORMAT decides how its lines look."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    rotate_log(settings.log_dir / file)
    handler = LogFile(settings.log_dir / file, encoding="utf-8")
    handler.setFormatter((JsonLine if settings.log_format == "json" else TextLine)(name, run_id))
    log = logging.Logger("pipeline", logging.INFO)  # its own logger: nothing else writes to it
    log.addHandler(handler)
    try:
        yield log
    finally:
        handler.close()


class TextLine(logging.Formatter):
    """UTC time, level, step, run id, the event, key=value pairs: for a person and for grep."""

    def __init__(self, name: str, run_id: str):
        super().__init__()
        self.name, self.run_id = name, run_id

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {}).items()
        pairs = "".join(f" {key}={format_value(value)}" for key, value in fields)
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
    """A log file that may fail (a full disk): one warning, and the step's outcome is the same."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:  # called while an error is handled
        if not self.told:
            say_warning(f"log       not written: {sys.exc_info()[1]}: {self.baseFilename}")
            self.told = True

    def close(self) -> None:
        with suppress(OSError):  # it tries again to write what failed before
            super().close()


def format_value(value: Any) -> str:
    text = printable(str(value))
    return f'"{text}"' if " " in text else text


def rotate_log(path: Path) -> None:
    """Rename a full log to <name>.1, that one to <name>.2, and so on; the last one is dropped."""
    if not path.exists() or path.stat().st_size < LOG_BYTES:
        return
    for number in range(LOG_FILES - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            os.replace(older, path.with_name(f"{path.name}.{number + 1}"))
    os.replace(path, path.with_name(f"{path.name}.1"))


@contextmanager
def redirect_to_cron_log(settings: Settings, quiet: bool) -> Iterator[list[int]]:
    """Send all output to logs/cron.log if `quiet` (from cron); that of a failure also to stderr.

    Gives a list, to which the block appends the exit code.
    """
    code: list[int] = []
    if not quiet:
        yield code
        return
    path = settings.log_dir / "cron.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    rotate_log(path)
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    start = os.lseek(log, 0, os.SEEK_END)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def restore(*_: object) -> None:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for handle in (*saved, log):
            os.close(handle)
        if not code or code[-1]:
            with open(path, "rb") as file:
                file.seek(start)
                write(file.read().decode("utf-8", "replace"), sys.stderr)

    with at_interrupt(restore):
        try:
            yield code
        finally:
            restore()
