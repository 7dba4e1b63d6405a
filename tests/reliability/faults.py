"""Run a step with a fault at its n-th statement, file operation or system call.

As a script this is a process that has loaded what the steps need and forks a child for each trial,
as run_all.py does, so that a trial takes as long as the step itself: it reads one JSON order per
line and answers with one. The hooks are in that child only; nothing in python/ knows of them.

statement  each SQL statement (a file of several is taken apart) and each duckdb.connect
operation  what Python opens for writing, syncs, renames, links, makes or removes
call       what the process asks of the kernel, DuckDB included: write, fsync, ...; see shim.c
"""

import ctypes
import errno
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / "python"
AUDITED = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink")
# How a fault shows; the names are those of the trials.
KILLED, HALF, FULL, BROKEN, DEFECT, ENGINE = (
    "killed", "killed in the middle of a write", "disk full from then on", "input/output error",
    "RuntimeError", "duckdb.IOException",
)  # fmt: skip
SHIM_MODES = {"count": (1, 0), KILLED: (2, 0), HALF: (3, 0)}
SHIM_MODES |= {FULL: (4, errno.ENOSPC), BROKEN: (5, errno.EIO)}


@dataclass
class Trial:
    """How a step ended: its exit code (minus the signal), its output, and how often it fired."""

    returncode: int
    stdout: str
    stderr: str
    events: int = 0
    fired: bool = False
    names: list[str] = field(default_factory=list)


class Driver:
    """The process that forks the trials; a context manager."""

    def __init__(self, shim: Path | None = None):
        environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        if shim:
            environ["LD_PRELOAD"] = str(shim)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(shim or "")],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def run(
        self,
        script: str,
        environ: dict[str, str],
        kind: str = "",
        how: str = "count",
        at: int = 0,
        trace: Path | None = None,
    ) -> Trial:
        """Run python/<script>.py; with a `kind`, `how` happens at its event number `at`."""
        order = {"script": script, "environ": environ, "kind": kind, "how": how, "at": at}
        self.process.stdin.write(json.dumps({**order, "trace": str(trace or "")}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        found = answer.pop("told") or {"fired": how in (KILLED, HALF)}
        return Trial(**answer, **found)


def compiled_shim(folder: Path) -> Path | None:
    """shim.c as a library, where there is a C compiler and LD_PRELOAD to load it by."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or sys.platform != "linux":
        return None
    target = folder / "shim.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(HERE / "shim.c"), "-ldl"]
    return target if subprocess.run(command, capture_output=True).returncode == 0 else None


# ------------------------------------------------------------------------- in the driving process


def main() -> None:
    sys.path.insert(0, str(PYTHON))
    import pycountry

    import history.merge  # noqa: F401  (loaded once, for all trials)
    import operations.alerts  # noqa: F401
    import publish.dashboard  # noqa: F401

    assert len(pycountry.countries) and len(pycountry.historic_countries)  # reads them
    shim = ctypes.CDLL(sys.argv[1]) if sys.argv[1] else None
    for line in sys.stdin:
        print(json.dumps(trial(json.loads(line), shim)), flush=True)


def trial(order: dict, shim: ctypes.CDLL | None) -> dict:
    pipes = [os.pipe() for _ in range(3)]
    pid = os.fork()
    if not pid:
        for to, (_, into) in enumerate(pipes[:2], 1):
            os.dup2(into, to)
        child(order, shim, pipes[2][1])
    texts = []
    for _, into in pipes:
        os.close(into)
    for out, _ in pipes:
        with open(out, encoding="utf-8") as file:
            texts.append(file.read())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told = json.loads(texts[2]) if texts[2] else None
    return {"returncode": code, "stdout": texts[0], "stderr": texts[1], "told": told}


def child(order: dict, shim: ctypes.CDLL | None, tell: int) -> None:
    os.environ.clear()
    os.environ.update(order["environ"])
    path = PYTHON / f"{order['script']}.py"
    sys.argv = [str(path)]
    hook, code = Hook(order["how"], order["at"]), 1
    if order["kind"] == "statement":
        hook.statements()
    elif order["kind"] == "operation":
        hook.operations()
    elif order["kind"] == "call":
        trace = -1
        if order["trace"]:
            trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        mode, error = SHIM_MODES[order["how"]]
        shim.fault_arm(mode, order["at"], error, trace)
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        hook.armed = False
        if order["kind"] == "call":
            hook.count, hook.fired = shim.fault_count(), bool(shim.fault_fired())
            shim.fault_arm(0, 0, 0, -1)
        sys.stdout.flush()
        sys.stderr.flush()
        told = {"events": hook.count, "fired": hook.fired, "names": hook.names}
        os.write(tell, json.dumps(told).encode())
        os._exit(code)


class Hook:
    """Counts events; at number `at` the fault happens, and where it lasts also at all later."""

    def __init__(self, how: str, at: int):
        self.how, self.at, self.count, self.fired, self.armed = how, at, 0, False, True
        self.names: list[str] = []

    def event(self, name: str, frees: bool = False) -> None:
        if not self.armed:
            return
        self.count += 1
        if self.how == "count":
            self.names.append(name)
            return
        if self.count < self.at or (self.count > self.at and self.how != FULL):
            return
        if self.how == FULL and frees:
            return
        self.fired = True
        if self.how == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == DEFECT:
            raise RuntimeError("injected by a test")
        if self.how == ENGINE:
            import duckdb

            raise duckdb.IOException("IO Error: injected by a test")
        number = errno.ENOSPC if self.how == FULL else errno.EIO
        raise OSError(number, os.strerror(number))

    def statements(self) -> None:
        import duckdb
        from duckdb import DuckDBPyConnection

        execute, connect = DuckDBPyConnection.execute, duckdb.connect

        def counted(con, query, parameters=None, **more):
            parts = con.extract_statements(query)
            if len(parts) < 2:
                self.event(" ".join(query.split())[:60])
                return execute(con, query, parameters, **more)
            for part in parts:
                self.event(" ".join(part.query.split())[:60])
                result = execute(con, part)
            return result

        def counted_connect(*arguments, **named):
            self.event("connect")
            return connect(*arguments, **named)

        DuckDBPyConnection.execute, duckdb.connect = counted, counted_connect

    def operations(self) -> None:
        fsync = os.fsync

        def counted_fsync(handle):
            self.event("fsync")
            fsync(handle)

        def audit(event, arguments):
            if not self.armed:
                return
            if event == "open":
                path, _, flags = arguments
                named = isinstance(path, str) and not re.match("/dev/(?!shm/)", path)
                if named and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                    self.event(f"open {Path(path).name}")
            elif event in AUDITED:
                frees = event in ("os.remove", "os.rmdir", "os.rename")
                self.event(f"{event} {Path(arguments[0]).name}", frees)

        os.fsync = counted_fsync
        sys.addaudithook(audit)


if __name__ == "__main__":
    main()
