"""Write or remove one marked block in the user's crontab (`make cron-install`, `cron-remove`).

The block has the nightly run and a separate audit, which notices if the run did not happen. Both
write to logs/ and mail only if they fail. The audit does nothing while a run is at work.

Reads:   SCHEDULE, MONITOR_SCHEDULE, the crontab
Writes:  the crontab, shown before and after
Example: make cron-install SCHEDULE="0 3 * * *"
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from config import NAMES, PROJECT, Settings, load_settings
from errors import DONE, SettingsError, StepError
from runner import signals
from runner.console import YELLOW, say, say_error
from runner.options import make_parser
from runner.redact import strip_credentials

BEGIN = f"# >>> netflix-elt-pipeline in {PROJECT} >>> (made by `make cron-install`)"
END = f"# <<< netflix-elt-pipeline in {PROJECT} <<<"

OF_THE_LINES = {"SCHEDULE", "MONITOR_SCHEDULE", "ALLOW_SAMPLE"}  # settings in the lines themselves
LOCAL_TIME = Path("/etc/localtime")  # the cron daemon's; TZ is this process's
DAEMONS = {"cron", "crond", "fcron", "bcron-start"}
MAKES_OWN = {"VENV": ".venv", "PYTHON": "python3"}  # variables of the Makefile -> their defaults


def main(action: str) -> int:
    signals.watch("cron")
    try:
        settings = load_settings()
        if "\n" in str(PROJECT):
            raise SettingsError(f"a crontab cannot name this folder: {str(PROJECT)!r}")
        before = read_crontab()
        after = remove_block(before)
        if action == "install":
            check_settings_given(settings)
            show_source(settings)
            for doubt in find_doubts():
                say(f"cron      warning: {doubt}", YELLOW)
            after += compose_block(settings)
        if after != before:
            write_crontab(after)
        say(f"cron      before:\n{indent(before)}")
        say(f"cron      after:\n{indent(after)}" if after != before else "cron      as before")
        return DONE
    except StepError as error:
        say_error(f"cron      stopped: {error}")
        return error.exit_code


def check_settings_given(settings: Settings) -> None:
    """Raise SettingsError if a setting differs from .env: the job would have that of .env."""
    theirs = load_settings({})
    missing = [
        name
        for name in sorted(set(NAMES) - OF_THE_LINES)
        if getattr(settings, name.lower()) != getattr(theirs, name.lower())
    ]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)} given here, but not in .env: the job would not see it. "
            f"Put it into {PROJECT / '.env'}, then: make cron-install"
        )


def show_source(settings: Settings) -> None:
    source = settings.source
    if "://" in source:
        say(f"cron      the job will read {strip_credentials(source)}")
    elif Path(source).exists():
        say(f"cron      the job will read {source}")
    else:
        say(f"cron      the job will read {source}, which does not exist now", YELLOW)


def find_doubts(zone: Path = LOCAL_TIME, processes: Path = Path("/proc")) -> Iterator[str]:
    """Say what may keep the job from running when the lines say: another clock, no daemon."""
    if zone.exists():
        with zone.open("rb") as file:
            local = ZoneInfo.from_file(file)
        year = datetime.now(UTC).year
        if any(local.utcoffset(datetime(year, month, 1)) for month in (1, 7)):
            yield (
                "the local time is not UTC. A cron that does not know CRON_TZ (Debian's) takes "
                "SCHEDULE and MONITOR_SCHEDULE as local time; `make status` shows them in UTC"
            )
    names = {path.parent.name: read_name(path) for path in processes.glob("[0-9]*/comm")}
    if "1" in names and not DAEMONS & {*names.values()}:  # else only one's own processes are shown
        yield "no cron daemon runs here; unless something else reads the crontab, no job begins"


def read_name(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # it ended
        return ""


def compose_block(settings: Settings) -> str:
    """Return the lines, with absolute paths; signs that mean something to cron are quoted."""
    make = quote_for_cron(shutil.which("make") or "/usr/bin/make")
    command = f"{make} --silent --directory={quote_for_cron(PROJECT)}"
    for name, usual in MAKES_OWN.items():
        if (value := os.environ.get(name, usual)) != usual:
            command += f" {name}={quote_for_cron(value)}"
    lines = (
        BEGIN,
        "CRON_TZ=UTC",
        f"{settings.schedule} {command} run-all QUIET=1 ALLOW_SAMPLE=no",
        f"{settings.monitor_schedule} {command} monitor QUIET=1",
        END,
    )
    return "".join(f"{line}\n" for line in lines)


def quote_for_cron(path: str | Path) -> str:
    return "'" + str(path).replace("'", "'\\''").replace("%", "\\%") + "'"


def remove_block(text: str) -> str:
    """Return the crontab without this project's block, all else byte for byte."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.rstrip("\n") == BEGIN
        if not inside:
            kept.append(line if line.endswith("\n") else f"{line}\n")
        inside = inside and line.rstrip("\n") != END
    if inside:
        raise SettingsError(
            f"the crontab has the line {BEGIN!r}, but not the one that ends the block; fix it "
            "with `crontab -e`"
        )
    return "".join(kept)


def is_installed() -> bool:
    """Return whether the crontab has this project's block; False if there is no cron."""
    return bool(shutil.which("crontab")) and BEGIN in read_crontab().splitlines()


def read_crontab() -> str:
    run = run_crontab("-l")
    if run.returncode and "no crontab" not in run.stderr:
        raise StepError(f"crontab -l failed: {run.stderr.strip()}")
    return "" if run.returncode else run.stdout


def write_crontab(text: str) -> None:
    run = run_crontab("-", text) if text else run_crontab("-r")
    if run.returncode:
        raise StepError(f"crontab refused the new lines: {run.stderr.strip()}; it is unchanged")


def run_crontab(argument: str, text: str = "") -> subprocess.CompletedProcess:
    if not shutil.which("crontab"):
        raise SettingsError("there is no crontab on this machine (Debian: apt install cron)")
    return subprocess.run(
        ["crontab", argument], input=text, capture_output=True, text=True, encoding="utf-8"
    )


def indent(text: str) -> str:
    return "\n".join(f"            {line}" for line in text.splitlines()) or "            (empty)"


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("action", choices=("install", "remove"))
    sys.exit(main(parser.parse_args().action))
