"""One run at a time on one warehouse."""

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

inherited = False  # set by run_all.py, which holds the lock for the steps that it forks


@contextmanager
def hold_lock(settings: Settings) -> Iterator[None]:
    """One step, or one chain of steps, at a time on one warehouse; it dies with its processes."""
    if inherited:
        yield
        return
    path = Path(f"{settings.warehouse_path}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"another run is working on {settings.warehouse_path} ({lock_holder(handle)}); "
                "nothing was changed. Wait for it to end and run the step again."
            ) from None
        handle.truncate(0)
        handle.write(f"pid {os.getpid()} since {utc_now():%Y-%m-%d %H:%M:%S} UTC\n")
        handle.flush()
        yield


def lock_holder(handle: TextIO) -> str:
    """Who holds the lock; one that got it just now needs a moment to write that down."""
    for _ in range(20):
        handle.seek(0)
        if text := handle.read().strip():
            return text
        time.sleep(0.02)
    return "it has not said its pid"
