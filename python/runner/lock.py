"""Allow one run at a time on a data folder and a warehouse, under any name they have."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from config import Settings
from errors import LockedError, SettingsError, StepError
from runner.log import utc_now

if TYPE_CHECKING:
    from warehouse.database import Warehouse

PLAN, PLAN_WAIT_S = "make plan", 60.0  # it holds the locks while it copies; a run waits for it
NAME_WAIT_S = 2.0  # a holder that has not written its name has just come, or is just leaving
POLL_S = 0.02
inherited = False  # set by run_all.py, which holds the locks for the steps it forks


@contextmanager
def hold_lock(settings: Settings, name: str = "") -> Iterator[None]:
    """Hold the locks of the data folder and of the warehouse; they end with the process.

    Raises LockedError, which names the holder, if another process has one of them.
    """
    if inherited:
        yield
        return
    home = settings.warehouse_path.resolve()
    refuse_dead_links(settings)
    with (
        lock_file(settings.data_dir / ".lock", settings.data_dir, name),
        lock_file(home.with_name(f"{home.name}.lock"), settings.warehouse_path, name),
        lock_row(settings),
    ):
        yield


def refuse_dead_links(settings: Settings) -> None:
    """Raise SettingsError for a link to a folder that is not there: what is new belongs there.

    What is old is there, too: without its disk it must not count as lost.
    """
    data = settings.data_dir
    folders = (data, settings.raw_dir, settings.snapshots, settings.decisions, settings.published,
               settings.published / "versions", data / "alerts", settings.log_dir)  # fmt: skip
    targets = {path: path.resolve() for path in folders}
    targets[settings.warehouse_path] = settings.warehouse_path.resolve().parent
    for path, folder in targets.items():
        if path.is_symlink() and not folder.exists():
            raise SettingsError(
                f"{path} is a link, and its folder {folder} is not there. Nothing was changed. "
                "Mount its disk, or make the folder."
            )


@contextmanager
def lock_file(path: Path, what: Path, name: str) -> Iterator[None]:
    """Hold a lock on a file. The file names the holder, and is empty if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(path, "a+", encoding="utf-8") as handle:
        while not is_locked_now(handle):
            handle.seek(0)
            holder = handle.read().strip()
            limit = PLAN_WAIT_S if holder.startswith(PLAN) else 0 if holder else NAME_WAIT_S
            if time.monotonic() - began > limit:
                raise LockedError(
                    f"another run is working on {what} ({holder or 'it has not said its pid'}); "
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


@contextmanager
def lock_row(settings: Settings) -> Iterator[None]:
    """Hold a row of run_lock on another engine, which other machines may use, too."""
    if settings.warehouse == "duckdb":
        yield
        return
    import duckdb

    from warehouse.database import open_warehouse, run_file

    holder = f"{os.uname().nodename} pid {os.getpid()}"
    try:
        with closing(open_warehouse(settings)) as con:
            run_file(con, "engines/lock.sql")
            refuse_others(con, holder)
            con.execute("INSERT INTO run_lock VALUES (?, ?)", [holder, utc_now()])
            try:
                refuse_others(con, holder)  # of two that came at the same time, both give way
            except LockedError:
                con.execute("DELETE FROM run_lock WHERE holder = ?", [holder])
                raise
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise StepError(f"the lock on {settings.warehouse} cannot be taken: {text}") from None
    try:
        yield
    finally:
        with closing(open_warehouse(settings)) as con:
            con.execute("DELETE FROM run_lock WHERE holder = ?", [holder])


def refuse_others(con: "Warehouse", holder: str) -> None:
    """Raise LockedError if another run is at work; delete the row of one that died here."""
    for other, since in con.execute("SELECT holder, since FROM run_lock").fetchall():
        if is_dead(other):
            con.execute("DELETE FROM run_lock WHERE holder = ?", [other])
        elif other != holder:
            age = str(utc_now() - since).split(".")[0]
            raise LockedError(
                f"another run is working on this warehouse ({other} since {since:%Y-%m-%d %H:%M:%S}"
                f" UTC, {age} ago); nothing was changed. Wait for it to end. If that machine is "
                "gone, run there: DELETE FROM run_lock"
            )


def is_dead(holder: str) -> bool:
    """Return whether a holder was a process of this machine that has ended."""
    host, _, pid = holder.rpartition(" pid ")
    if host != os.uname().nodename:
        return False
    try:
        os.kill(int(pid), 0)
        return False
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs as another user
        return False
