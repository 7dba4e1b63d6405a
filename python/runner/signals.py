"""End the process and its children within seconds on Ctrl-C, SIGTERM or SIGHUP.

No exception is raised in the work: DuckDB, interrupted in a statement, would wait forever in
ROLLBACK, close() and connect(). A thread says what happened and ends the process as SIGKILL would.
DuckDB undoes what that leaves behind when it is opened again; the next run removes the files.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock, Thread
from typing import Any, NoReturn

from errors import SIGNALLED
from runner.console import say_error

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S, END_S = 1.5, 4.0  # how long the children may take to end, and all together
POLL_S = 0.005
SIGN = b"\n"  # of life; no pickle begins with it
guard = Lock()  # held while a child starts, and for good by the thread that ends the process
children: set[int] = set()
last_works: list[Callable[[str], None]] = []  # called with the message
watcher = 0  # the process that watches; a forked child watches once it calls `watch`
is_child = False  # forked: its parent says the message
message = ""  # with {} for the signal's name


def watch(name: str, hint: str = "") -> None:
    """End this process at the first signal, with a message from `name`; ignored ones stay so."""
    global watcher, message
    message = f"{name:<9} interrupted by {{}}{hint}"
    if watcher == os.getpid():
        return
    watcher = os.getpid()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)

    def wait_for_signal() -> None:
        while (number := os.read(reader, 1)[0]) not in SIGNALS:
            continue
        end(number)

    Thread(target=wait_for_signal, daemon=True).start()


def end(number: int) -> NoReturn:
    """End the children and this process; if that hangs, SIGALRM ends it after END_S."""
    signal.setitimer(signal.ITIMER_REAL, END_S)
    guard.acquire()
    stop_children()
    text = message.format(signal.Signals(number).name)
    with suppress(Exception):
        if not is_child:
            say_error(text)
    for work in reversed(last_works):
        with suppress(Exception):
            work(text)
    os._exit(SIGNALLED + number)


def stop_children() -> None:
    deadline = time.monotonic() + GRACE_S
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in children:
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Return whether a child runs; it is not reaped, as the main thread waits for it, too."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None
    except ChildProcessError:
        return False


@contextmanager
def at_interrupt(work: Callable[[str], None]) -> Iterator[None]:
    """Call `work` with the message if a signal ends the process within the block."""
    last_works.append(work)
    try:
        yield
    finally:
        last_works.remove(work)


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder that is removed at the end of the block, and by a signal."""
    folder = mkdtemp(prefix=prefix, dir=parent)

    def remove(*_: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    with at_interrupt(remove):
        try:
            yield Path(folder)
        finally:
            remove()


def fork() -> int:
    """Fork a child that ends with this process; return 0 in the child, as os.fork() does."""
    global is_child
    with guard:
        if pid := os.fork():
            children.add(pid)
        else:
            is_child = True
            children.clear()
            last_works.clear()
    return pid


def wait(pid: int, seconds: float | None = None) -> int:
    """Wait for a forked child, or kill it after `seconds`; return its exit code, or -signal."""
    deadline = time.monotonic() + (seconds or 0)
    while seconds and is_alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(POLL_S)
    status = os.waitpid(pid, 0)[1]
    with guard:  # waits forever if a signal is ending this process: its message comes first
        children.discard(pid)
    return os.waitstatus_to_exitcode(status)


def run_in_child(work: Callable[[Callable[[], None]], Any], check: Callable[[float], None]) -> Any:
    """Return or raise what `work` returns or raises in a child process, which `check` can end.

    `work` gets what it calls as a sign of life. `check` gets the seconds since the last one, ten
    times a second; if it raises, the child is killed: libraries wait for an answer for minutes or
    for ever, and a process that has them loaded cannot end earlier. EOFError: the child was killed.
    """
    import pickle

    reader, writer = os.pipe()
    pid = fork()
    answer: Any
    if not pid:
        try:
            answer = work(lambda: (os.write(writer, SIGN), None)[1])
        except BaseException as error:
            answer = error
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    received, last = b"", time.monotonic()
    with open(reader, "rb", buffering=0) as file:
        try:
            while True:
                if not select.select([file], [], [], 0.1)[0]:
                    check(time.monotonic() - last)
                    continue
                if not (block := file.read(1 << 16)):
                    break
                received, last = (received + block).lstrip(SIGN), time.monotonic()
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            wait(pid)
    answer = pickle.loads(received)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def call(command: list[str], **options: Any) -> int:
    """Run a program that ends with this process; return its exit code, or minus its signal."""
    with guard:
        process = subprocess.Popen(command, **options)
        children.add(process.pid)
    code = process.wait()
    with guard:
        children.discard(process.pid)
    return code
