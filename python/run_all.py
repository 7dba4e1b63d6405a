"""The nightly job: every step in its order, under one lock; and tell how it ended.

`make run-all` calls it. Each step is the numbered script in a process of its own, forked from this
one, which has loaded what all of them need: so a step starts in 10 ms instead of 130. The first
that fails ends the chain; its exit code (see errors.py) is that of the job. Steps that find their
work done say so, so a run that was stopped is simply run again.

--quiet, for cron: all output goes to logs/cron.log, and only that of a failed run to stderr.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType

import alerts
import engine  # noqa: F401  (loaded once, for all steps)
import layers  # noqa: F401
import steps
from config import Settings, load_settings
from errors import CRASH, DONE, QUALITY, StepError, exit_code
from steps import lock, new_run_id, say, written

PYTHON = Path(__file__).resolve().parent
CHAIN = (
    "02_create_raw_layer.py",
    "03_load_raw_to_duckdb.py",
    "04_check_schema.py",
    "05_run_staging_sql.py",
    "06_merge_cdc.py",
    "07_monitor_pipeline.py",
    "08_build_analytics.py",
    "09_publish.py",
)
AUDIT = "07_monitor_pipeline.py"


def main() -> int:
    run_id = os.environ.setdefault("RUN_ID", new_run_id())
    try:
        settings = load_settings()
        with lock(settings):
            with written(settings, "--quiet" in sys.argv[1:]) as code:
                steps.warn_of_env_file()
                steps.in_chain = True
                alerts.ping(settings, "/start")
                code.append(chain(settings, run_id))
                if not kept(alerts.tell, settings, code[-1]):
                    code[-1] = code[-1] or CRASH
                alerts.ping(settings, "/fail" if code[-1] else "")
            return code[-1]
    except (StepError, OSError) as error:
        say(f"run-all   stopped: {error}", "31", sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        say("run-all   interrupted. Nothing half-done was kept: make run-all", "31", sys.stderr)
        return CRASH


def chain(settings: Settings, run_id: str) -> int:
    """Run the steps up to the first that fails; keep for the alerts what that was."""
    scripts = CHAIN
    if settings.netflix_csv is None and not settings.default_csv.exists():
        scripts = ("00_make_sample_data.py", *CHAIN)
    for script in scripts:
        arguments = ["--if-missing"] if script.startswith("00") else []
        code = forked(PYTHON / script, arguments)
        if code == DONE:
            continue
        name = script.split("_")[0]
        killed = f"step {name} was killed by signal {-code}" if code < 0 else ""
        if killed:
            say(f"run-all   {killed}. Nothing half-done was kept: make run-all", "31", sys.stderr)
        text = killed or alerts.last_error(settings, "", run_id) or f"step {name}: exit code {code}"
        # What the audit found is kept as such; it is over when the next audit passes.
        audited = script == AUDIT and code == QUALITY
        kept(alerts.set_run, settings, None if audited else f"{script}: {text}")
        return CRASH if code < 0 else code
    return DONE if kept(alerts.set_run, settings, None) else CRASH


def kept(work: Callable[..., None], settings: Settings, what: object) -> bool:
    """Whether the alerts could be written down; a full disk must not silence the heartbeat, too."""
    try:
        work(settings, what)
        return True
    except OSError as error:
        say(f"run-all   the alerts cannot be kept: {error}", "31", sys.stderr)
        return False


def forked(script: Path, arguments: list[str]) -> int:
    """Run a script in a child of this process: its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        try:
            load_ahead()
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except KeyboardInterrupt:  # the terminal sent it to the step, too, which cleans up
            os.waitpid(pid, 0)
            raise
        except SystemExit:  # a SIGTERM is for this process alone
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
            raise
    code = CRASH
    try:
        sys.argv = [str(script), *arguments]
        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__file__ = str(script)
        exec(compiled(script), module.__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else CRASH if end.code else DONE
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@cache
def compiled(script: Path) -> CodeType:
    return compile(script.read_bytes(), str(script), "exec")


def load_ahead() -> None:
    """Load what the next steps use, while this one works: there is a second core for it."""
    with suppress(Exception):  # what is wrong here stops the step that uses it, and that one tells
        import argparse

        import history  # noqa: F401
        import page  # noqa: F401

        argparse.ArgumentParser()  # imports the rest of what it uses
        for script in CHAIN:
            compiled(PYTHON / script)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
