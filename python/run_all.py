"""Run the nightly job: every step in order, under one lock; then send how it ended.

`make run-all` calls it. Each step is a numbered script in a process of its own, forked from this
one, which has loaded what all of them need: so a step starts in 10 ms instead of 130. The first
step that fails ends the chain; its exit code (see errors.py) is that of the job. Steps that are
done already say so: a run that was stopped is simply run again.

--quiet, for cron: all output goes to logs/cron.log, and only that of a failed run to stderr.

Reads and writes: what steps 02 to 09 do (and 00, if there never was an input file; 12, if there is
a MIRROR_URL), data/alerts.
Example: python python/run_all.py    or    make run-all NETFLIX_CSV=titles.csv
"""

import os
import runpy
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from config import Settings, load_settings
from errors import CRASH, DONE, QUALITY, SIGNALLED, StepError, exit_code
from ingest.manifest import list_batches
from ingest.records import read_ahead
from ingest.source import may_make_sample
from operations import alerts
from runner import lock, signals, step
from runner.console import is_terminal, say, say_error
from runner.lock import hold_lock
from runner.log import new_run_id, redirect_to_cron_log
from runner.options import read_flags

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
MIRROR = "12_mirror.py"  # if MIRROR_URL is set; it is tried each night, and fails none
LOADED_ONCE = (  # by this process, while the first step runs
    *("argparse", "decimal", "pkgutil", "uuid", "staging.schema_drift", "history.merge"),
    *("audit.checks", "analytics.star_schema", "publish.exports", "publish.versions"),
)
ERROR_LENGTH = 4_000  # characters that a child hands over; a pipe holds 64 kB


def main(quiet: bool = False) -> int:
    os.environ.setdefault("RUN_ID", new_run_id())
    signals.watch("run-all", step.GOES_ON)
    try:
        settings = load_settings()
        with hold_lock(settings):
            with redirect_to_cron_log(settings, quiet) as code:
                step.warn_of_env_file()
                lock.inherited = True
                alerts.ping_heartbeat(settings, "/start")
                code.append(chain(settings, quiet))
                if code[-1] == DONE and not is_saved(tell_digest, settings):
                    code[-1] = CRASH
                if not is_saved(alerts.notify_on_change, settings, code[-1]):
                    code[-1] = code[-1] or CRASH
                alerts.ping_heartbeat(settings, "/fail" if code[-1] else "")
                if code[-1] == DONE and (page := settings.published / "dashboard.html").exists():
                    say(f"page      {page}")
            return code[-1]
    except (StepError, OSError) as error:
        say_error(f"run-all   stopped: {error}")
        return exit_code(error)


def chain(settings: Settings, quiet: bool) -> int:
    """Run the steps up to the first that fails, and store its error for the alerts."""
    with suppress(Exception):  # an error here comes again in the step that uses it
        list_batches(read_ahead(settings))
    scripts: tuple[str, ...] = CHAIN
    if not quiet and may_make_sample(settings):  # a person tries it out; cron never gets a sample
        scripts = ("00_make_sample_data.py", *CHAIN)
    for script in scripts:
        arguments = ["--if-missing"] if script.startswith("00") else []
        code, error = run_forked(PYTHON / script, arguments)
        if code == DONE:
            continue
        name = script.split("_")[0]
        if code > SIGNALLED:  # the signal was for the whole chain
            signals.end(code - SIGNALLED)
        killed = f"step {name} was killed by signal {-code}" if code < 0 else ""
        if killed:
            say_error(f"run-all   {killed}. {step.describe_rest(settings)} Then: make run-all")
        text = killed or error or f"step {name}: exit code {code}"
        # The audit stores its failures itself; they are over when the next audit passes.
        audited = script == AUDIT and code == QUALITY
        is_saved(alerts.save_run_state, settings, None if audited else f"{script}: {text}")
        return CRASH if code < 0 else code
    if settings.mirror_url:
        code, error = run_forked(PYTHON / MIRROR, [])
        if code > SIGNALLED:
            signals.end(code - SIGNALLED)
        problem = error or f"step 12 ended with {code}; see logs/pipeline.log"
        is_saved(alerts.save_warning, settings, "mirror", f"mirror: {problem}" if code else None)
    return DONE if is_saved(alerts.save_run_state, settings, None) else CRASH


def tell_digest(settings: Settings) -> None:
    """Queue the morning message; an error is a line in the log, not a failed night."""
    from operations.digest import queue_digest

    try:
        queue_digest(settings)
    except OSError:
        raise
    except Exception as error:
        alerts.log_warning(settings, "digest_failed", reason=repr(error))


def is_saved(work: Callable[..., None], settings: Settings, *what: object) -> bool:
    """Do `work` and return whether it could write; a full disk must not stop the heartbeat."""
    try:
        work(settings, *what)
        return True
    except OSError as error:
        say_error(f"run-all   the alerts cannot be written: {error}")
        return False


def run_forked(script: Path, arguments: list[str]) -> tuple[int, str]:
    """Run a script in a child; return its exit code, or minus its signal, and its error."""
    reader, writer = os.pipe()
    pid = signals.fork()
    if not pid:
        run_script(script, arguments, writer)
    os.close(writer)
    with suppress(Exception):  # an error here comes again in the step that uses it
        for name in (*LOADED_ONCE, *(["rich.progress"] if is_terminal(sys.stdout) else [])):
            import_module(name)
    code = signals.wait(pid)
    os.set_blocking(reader, False)  # a process that outlives the step may have the other end
    with open(reader, "rb", buffering=0) as file:
        return code, (file.read() or b"").decode()


def run_script(script: Path, arguments: list[str], writer: int) -> NoReturn:
    """Run a script in the child as `python <script>` does; write why it failed to the pipe."""
    code = CRASH
    try:
        sys.argv = [str(script), *arguments]
        runpy.run_path(str(script), run_name="__main__")
        code = DONE
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else CRASH if end.code else DONE
    except BaseException:
        traceback.print_exc()
    finally:
        os.write(writer, step.last_error[:ERROR_LENGTH].encode())
        for stream in (sys.stdout, sys.stderr):  # for anything not printed by say()
            with suppress(Exception):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(read_flags(__doc__, quiet="for cron: output goes to logs/cron.log").quiet))
