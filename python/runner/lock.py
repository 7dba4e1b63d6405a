"""One run at a time on one data folder and one warehouse, by whatever names they are reached."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from config import Settings
from errors import LockedError
from runner.log import utc_now

PLAN, PLAN_WAIT_S = "make plan", 60.0  # it holds the locks while it copies; a run waits for that
POLL_S = 0.02
inherited = False  # set by run_all.py, which holds the locks for the steps that it forks


@contextmanager
def hold_lock(settings: Settings, name: str = "") -> Iterator[None]:
    """Hold the locks of the data folder and of the warehouse; they die with their processes.

    Raises LockedError, which names the holder, where another process has one of them.
    """
    if inherited:
        yield
        return
    home = settings.warehouse_path.resolve()
    with (
        lock_file(settings.data_dir / ".lock", settings.data_dir, name),
        lock_file(home.with_name(f"{home.name}.lock"), settings.warehouse_path, name),
    ):
        yield


@contextmanager
def lock_file(path: Path, what: Path, name: str) -> Iterator[None]:
    """Hold a lock on a file, which says who has it, and is empty when nobody has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + PLAN_WAIT_S
    with open(path, "a+", encoding="utf-8") as handle:
        while not is_locked_now(handle):
            holder = lock_holder(handle)
            if not holder.startswith(PLAN) or time.monotonic() > deadline:
                raise LockedError(
                    f"another run is working on {what} ({holder}); "
                    "nothing was changed. Wait for it to end and run the step again."
                )
            time.sleep(POLL_S)
        handle.truncate(0)
        handle.write(f"{name} pid {os.getpid()} since {utc_now():%Y-%m-%d %H:%M:%S} UTC\n".lstrip())
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)


def is_locked_now(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def lock_holder(handle: TextIO) -> str:
    """Who holds the lock; one that got it just now needs a moment to write that down."""
    for _ in range(20):
        handle.seek(0)
        if text := handle.read().strip():
            return text
        time.sleep(POLL_S)
    return "it has not said its pid"
