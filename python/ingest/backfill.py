"""Load dated exports in the order of their dates, each as a night of its own (`make backfill`).

The plan is printed first (--plan: nothing else). Files that are loaded already are skipped, so
after a stop the same command goes on. Freshness is not checked, as old files are meant to be old.
No morning message and no heartbeat is sent.

Reads:   the FILES (paths or patterns like 'exports/*.csv'), the manifest
Writes:  what run_all.py writes, once for each file
Fails when: a file's time is not in its name or two files have the same one (exit 2), or a night
         fails (its exit code; later files are not tried)

Example: make backfill FILES='exports/*.csv' AT='name %Y-%m-%d'
"""

import glob
import os
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path

from config import PROJECT, load_settings
from errors import DONE, SettingsError, StepError
from ingest.manifest import read_batches
from ingest.source import recorded_source
from runner import signals
from runner.console import say, say_error
from runner.options import make_parser

# What each sign of strptime looks like in a file name.
FORMS = {"Y": r"\d{4}", "y": r"\d{2}", "j": r"\d{3}", "b": "[A-Za-z]{3}", "B": "[A-Za-z]+"}
FORMS |= dict.fromkeys("mdHMS", r"\d{2}")
QUIET = {"FRESHNESS_DAYS": "36500", "DIGEST_URLS": "", "HEARTBEAT_URL": ""}


def run(patterns: list[str], at: str, only_plan: bool) -> int:
    """Print the plan and load what is new; return the exit code of the first night that fails."""
    settings = load_settings()
    files = find_files(patterns)
    times = find_times(files, at)
    landed = {(batch.snapshot_at, batch.source) for batch in read_batches(settings)}
    is_in = [(moment, recorded_source(str(path))) in landed for moment, path in times]
    # The last loaded one may have stopped halfway; running it again costs next to nothing.
    first = max((number for number, known in enumerate(is_in) if known), default=0)
    say(f"backfill  {len(times)} file(s), the oldest first:")
    for (moment, path), known in zip(times, is_in, strict=True):
        say(f"          {moment:%Y-%m-%d %H:%M:%S}  {'is in  ' if known else 'to load'}  {path}")
    todo = [pair for pair, known in zip(times, is_in, strict=True) if not known]
    todo = [times[first], *todo] if is_in[first] else todo
    for moment, path in [] if only_plan else todo:
        say(f"\nbackfill  {moment:%Y-%m-%d %H:%M:%S}  {path}")
        sys.stdout.flush()
        given = {"NETFLIX_CSV": str(path), "SNAPSHOT_AT": moment.isoformat(), **QUIET}
        night = [sys.executable, str(PROJECT / "python/run_all.py")]
        code = signals.call(night, env={**os.environ, **given})
        if code != DONE:
            say_error(f"backfill  stopped at {path}; once that is solved, the same command goes on")
            return code
    return DONE


def find_files(patterns: list[str]) -> list[Path]:
    """List the files of paths or patterns, which are relative to the project folder.

    Raises SettingsError if a pattern matches no file.
    """

    def find(pattern: str) -> set[Path]:  # glob takes absolute patterns, Path.glob does not
        return {PROJECT / name for name in glob.glob(pattern, root_dir=PROJECT)}  # noqa: PTH207

    files = set()
    for pattern in patterns:
        for part in [pattern] if find(pattern) else shlex.split(pattern):
            if not find(part):
                raise SettingsError(f"FILES: there is no file {part}, seen from {PROJECT}")
            files |= find(part)
    if not files:
        raise SettingsError(
            "name the files: make backfill FILES='exports/*.csv' AT='name %Y-%m-%d'"
        )
    return sorted(files)


def find_times(files: list[Path], at: str) -> list[tuple[datetime, Path]]:
    """Read each file's time from its name; return (time in UTC, path), the oldest first.

    `at` is the word name and a format of strptime. Raises SettingsError if a time is not clear.
    """
    where, _, form = at.partition(" ")
    if where != "name" or "%" not in form:
        raise SettingsError(f"AT is {at!r}; it is: name and a format, like AT='name %Y-%m-%d'")
    parts = re.split(r"%(.)", form.strip())
    if unknown := [sign for sign in parts[1::2] if sign not in FORMS]:
        raise SettingsError(f"AT has %{unknown[0]}; known are %{' %'.join(FORMS)}")
    pattern = "".join(
        FORMS[part] if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    times: dict[datetime, Path] = {}
    for path in files:
        hits = set(re.findall(rf"(?<!\d){pattern}(?!\d)", path.name))
        try:
            (text,) = hits
            moment = datetime.strptime(text, form.strip())
        except ValueError:
            seen = f"{len(hits)} of them" if len(hits) != 1 else f"{hits.pop()!r}, which is none"
            raise SettingsError(
                f"{path.name} should have one time like {form}; it has {seen}"
            ) from None
        if moment in times:
            raise SettingsError(f"{times[moment].name} and {path.name} are both of {moment}")
        times[moment] = path
    return sorted(times.items())


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("files", nargs="+", metavar="FILES", help="paths or patterns")
    parser.add_argument("--at", required=True, help="where the time is: 'name %%Y-%%m-%%d'")
    parser.add_argument("--plan", action="store_true", help="show what would be loaded, and stop")
    given = parser.parse_args()
    signals.watch("backfill", "; the same command goes on where it stopped")
    try:
        return run(given.files, given.at, given.plan)
    except StepError as error:
        say_error(f"backfill  stopped: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
