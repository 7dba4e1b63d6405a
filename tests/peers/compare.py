"""The same faults through this pipeline, dbt-duckdb (snapshot) and dlt (scd2): `make peers`.

Each tool is set up as its own guide does. dbt: a staging table over read_csv (all columns as
text), with tests not_null and unique on the key, then a snapshot that checks all columns and
closes the titles that are gone (hard_deletes: invalidate), with the snapshot's time as updated_at.
dlt: see load_by_dlt.py. This pipeline: run_all.py with the settings of .env.example.

Each case is a list of nightly files, told apart by snapshot times. What the last of them must leave
is stated in the case; one function judges all three by key, title, rating and number of versions.
Writes results.json here, of which tests/reliability/table.py makes a table.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import duckdb
from titles import catalogue, title

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PIPELINE_PYTHON = Path.cwd() / os.environ["PIPELINE_PYTHON"]  # has this project's requirements
TITLES = 200
Rows = dict[str, tuple[str, str]]  # show_id -> title, rating


def night(changes: dict[int, dict | None] | None = None) -> list[dict[str, str]]:
    """The catalogue with some titles changed, or gone (None)."""
    changed = changes or {}
    numbers = [n for n in range(1, TITLES + 1) if changed.get(n, {}) is not None]
    return [title(n, **(changed.get(n) or {})) for n in numbers]


def text(records: list[dict[str, str]], delimiter: str = ",") -> bytes:
    return catalogue(*records, delimiter=delimiter).encode()


def rows(records: list[dict[str, str]]) -> Rows:
    return {r["show_id"]: (r["title"], r["rating"]) for r in records}


@dataclass
class Case:
    """Files by day; what is right after the last one; and whether it may be refused instead."""

    name: str
    days: list[tuple[int, bytes]]
    right: Rows | None  # None: it must be refused
    versions: dict[str, int] | None = None  # of the titles that have not one
    may_refuse: bool = False
    kill: bool = False


FIRST = text(night())
CHANGED = night({1: {"title": "Another"}})


def cases() -> list[Case]:
    gone = night({2: None})
    late = night({1: {"title": "Between"}})
    twins = [*night(), title(1, title="Twin")]
    names = FIRST.split(b"\r\n", 1)[0]
    wide = [r | {"studio": "North"} for r in night()]
    keyless = [{k: v for k, v in r.items() if k != "show_id"} for r in night()]
    capitals = text(CHANGED).replace(names, names.upper())
    cafe = night({1: {"title": "Café"}})
    return [
        Case("a title changed", [(1, FIRST), (2, text(CHANGED))], rows(CHANGED), {"s1": 2}),
        Case("a title gone", [(1, FIRST), (2, text(gone))], rows(gone)),
        Case("a title gone and back", [(1, FIRST), (2, text(gone)), (3, FIRST)], rows(night()),
             {"s2": 2}),
        Case("the same file twice", [(1, FIRST), (2, FIRST)], rows(night())),
        Case("a late file that belongs between two others",
             [(1, FIRST), (3, text(CHANGED)), (2, text(late))], rows(CHANGED), {"s1": 3}),
        Case("half of the titles missing", [(1, FIRST), (2, text(night()[: TITLES // 2]))], None),
        Case("a record twice, equal", [(1, FIRST), (2, text([*night(), title(1)]))],
             rows(night()), may_refuse=True),
        Case("a key twice, with different values", [(1, FIRST), (2, text(twins))],
             rows(night()), may_refuse=True),
        Case("a column more", [(1, FIRST), (2, text(wide))], rows(night())),
        Case("the key's column gone", [(1, FIRST), (2, text(keyless))], None),
        Case("killed in the middle, run again", [(1, FIRST), (2, text(CHANGED))], rows(CHANGED),
             {"s1": 2}, kill=True),
        Case("cut inside a quoted value", [(1, FIRST), (2, FIRST[: len(FIRST) // 2] + b'"')], None),
        Case("one record with two fields too many",
             [(1, FIRST), (2, FIRST + b"s999,Movie,X,,,,,2020,PG,,,,one,two\r\n")],
             rows(night()), may_refuse=True),
        Case("empty", [(1, FIRST), (2, b"")], None),
        Case("a header only", [(1, FIRST), (2, names + b"\r\n")], None),
        Case("UTF-16", [(1, FIRST), (2, text(CHANGED).decode().encode("utf-16"))], rows(CHANGED),
             {"s1": 2}, may_refuse=True),
        Case("a title in Windows-1252",
             [(1, FIRST), (2, text(cafe).replace("é".encode(), "é".encode("cp1252")))],
             rows(cafe), {"s1": 2}, may_refuse=True),
        Case("semicolons", [(1, FIRST), (2, text(CHANGED, ";"))], rows(CHANGED), {"s1": 2},
             may_refuse=True),
        Case("the header in capitals", [(1, FIRST), (2, capitals)],
             rows(CHANGED), {"s1": 2}, may_refuse=True),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------- the tools

Command = tuple[list[str], dict[str, str]]  # what to run, with what in the environment


def by_this_pipeline(place: Path, file: Path, at: str) -> Command:
    settings = {"NETFLIX_CSV": file, "SNAPSHOT_AT": at, "WAREHOUSE_PATH": place / "dw.db"}
    settings |= {"DATA_DIR": place / "data", "LOG_DIR": place / "logs"}
    settings |= {"FRESHNESS_DAYS": 36500}  # the nights are of 2022
    command = [str(PIPELINE_PYTHON), str(PROJECT / "python" / "run_all.py")]
    return command, {key: str(value) for key, value in settings.items()}


def by_dbt(place: Path, file: Path, at: str) -> Command:
    shutil.copytree(HERE / "dbt", place / "dbt", dirs_exist_ok=True)
    names = json.dumps({"file": str(file), "at": at})
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--vars", names]
    folder = str(place / "dbt")
    return [*command, "--project-dir", folder, "--profiles-dir", folder], {
        "DBT_WAREHOUSE": str(place / "dw.db"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def by_dlt(place: Path, file: Path, at: str) -> Command:
    command = [sys.executable, str(HERE / "load_by_dlt.py"), str(file), str(place / "dw.db"), at]
    return command, {"RUNTIME__DLTHUB_TELEMETRY": "false"}


@dataclass
class Tool:
    name: str
    night: Callable[[Path, Path, str], Command]
    history: str  # show_id, title, rating, is it current


TOOLS = (
    Tool("this pipeline", by_this_pipeline,
         "SELECT show_id, title, rating, is_current FROM analytics_netflix_history"),
    Tool(f"dbt-duckdb {version('dbt-duckdb')}", by_dbt,
         "SELECT show_id, title, rating, dbt_valid_to IS NULL FROM main.titles"),
    Tool(f"dlt {version('dlt')}", by_dlt,
         "SELECT show_id, title, rating, _dlt_valid_to IS NULL FROM peer.titles"),
)  # fmt: skip


def found(tool: Tool, place: Path) -> tuple[list[tuple], Counter]:
    """The current rows (sorted) and the number of versions of each title."""
    with duckdb.connect(str(place / "dw.db"), read_only=True) as con:
        history = con.execute(tool.history).fetchall()
    current = sorted((row[:3] for row in history if row[3]), key=repr)
    return current, Counter(row[0] for row in history)


def try_out(tool: Tool, case: Case, place: Path) -> str:
    """Run the nights of a case; what the last one did."""
    seconds = 0.0
    for number, (day, content) in enumerate(case.days):
        last = number == len(case.days) - 1
        if last:
            before = found(tool, place)
        file = place / f"catalogue_{number}.csv"
        file.write_bytes(content)
        os.utime(file, (1_700_000_000, 1_700_000_000))  # long finished
        command, more = tool.night(place, file, f"2022-01-{day:02}T00:00:00+00:00")
        env = {"PATH": os.environ["PATH"], "HOME": str(place), "DO_NOT_TRACK": "1"} | more
        if last and case.kill:
            killed(command, env, place, seconds / 2)
        began = time.monotonic()
        done = subprocess.run(command, env=env, cwd=place, capture_output=True, text=True)
        seconds = time.monotonic() - began
        if not last and done.returncode:
            raise RuntimeError(f"{tool.name}, {case.name}: {(done.stdout + done.stderr)[-1600:]}")
    return judged(case, done.returncode, before, found(tool, place))


def killed(command: list[str], env: dict, place: Path, seconds: float) -> None:
    """The same run, killed with all its children after so many seconds."""
    run = subprocess.Popen(
        command, env=env, cwd=place, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def judged(case: Case, code: int, before: tuple, after: tuple) -> str:
    """One verdict, by the same rules for all tools; before and after are as of found()."""
    if code and after != before:
        return "failed, and had changed the history"
    if code:
        refused = case.right is None or case.may_refuse
        return "right: refused, nothing changed" if refused else "refused what was sound"
    if case.right is None and after == before:
        return "not told: nothing was changed"
    current, versions = after
    wanted = before[0] if case.right is None else sorted((k, *v) for k, v in case.right.items())
    if current != wanted:
        missing, more = Counter(wanted) - Counter(current), Counter(current) - Counter(wanted)
        return (
            f"wrong, silent: {missing.total()} right row(s) not there, {more.total()} wrong one(s)"
        )
    expected = case.versions or {}
    wrong = [key for key, count in versions.items() if count != expected.get(key, 1)]
    return f"versions wrong of {len(wrong)} title(s)" if wrong else "right"


def main() -> int:
    results: dict[str, dict[str, str]] = {}
    for case in cases():
        for tool in TOOLS:
            with tempfile.TemporaryDirectory() as folder:
                results.setdefault(case.name, {})[tool.name] = try_out(tool, case, Path(folder))
        print("\n  ".join([case.name, *map(": ".join, results[case.name].items())]), flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
