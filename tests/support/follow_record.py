"""Follow one record from step 02 to step 09: how often does its reader change file?

    PYTHONPATH=python .venv/bin/python tests/support/follow_record.py [--road 04] [--project DIR]

Each step runs on a file of 10 titles, in a scratch folder, under a profiler. Its road is the order
in which the functions of python/ are called for the first time in that step: what a reader opens
one after the other. Then

  changes   the next function on the road stands in another file
  returns   of these, those to a file that the road was in before
  rooms     of these, those into another folder; in python/ itself each file is a room
  frame     the changes before and after the step's own run(): lock, log, warehouse, run record
  left      how often one function sends its reader to another file: first calls on the road, where
            consecutive ones into the same file count once. After each the reader comes back to it.

Not followed: settings (config.py), printing and log lines, the hook that DuckDB's import of pandas
meets, class bodies, lambdas and comprehensions. The code at f448aaa has 158 functions in 21 files,
136 changes (all between rooms), 93 returns and 29 in the frame by this definition.
"""

import argparse
import csv
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType

NOT_FOLLOWED = re.compile(
    r"config\.py .*|.* ((Text|Json)Line|LogFile|PandasForImportsOnly)\..*"
    r"|.* (say\w*|printable(_lines)?|format_value|value_text|new_run_id|utc_now)"
    r"|.* (open_log|rotate(_log)?|written|redirect_to_cron_log)"
)
COLUMNS = "show_id type title director cast country date_added release_year rating duration"
TITLE = (
    "s{0},Movie,Title {0},Jo Do,Al Li,Japan,'May {0}, 2020',2019,PG-13,{0}0 min,Dramas,Words {0}"
)


def trace(script: str, target: str) -> None:
    """Run a script, and write [file, function, its caller, is it within run()] for each call."""
    folder, calls, running = f"{Path(script).parent}/", [], []

    def name(frame: FrameType | None) -> str | None:
        """`<file> <function>` of the innermost function of the project."""
        while frame:
            code = frame.f_code
            is_function = code.co_flags & 1 and not code.co_qualname.endswith(">")
            if is_function and code.co_filename.startswith(folder):
                return f"{code.co_filename.removeprefix(folder)} {code.co_qualname}"
            frame = frame.f_back
        return None

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event in ("call", "return") and (code.co_filename, code.co_name) == (script, "run"):
            running[:] = [True] if event == "call" else []
        is_function = code.co_flags & 1 and not code.co_qualname.endswith(">")
        if event == "call" and is_function and code.co_filename.startswith(folder):
            calls.append([name(frame), name(frame.f_back), bool(running)])

    sys.argv, code = [script], 0
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code
    sys.setprofile(None)
    Path(target).write_text(json.dumps(calls))
    sys.exit(code)


def follow(project: Path) -> dict[str, list]:
    """Step -> its road: [`<file> <function>`, its caller, is it within run()], first calls only."""
    roads = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "netflix.csv"
        rows = [f"{','.join(COLUMNS.split())},listed_in,description"]
        rows += [TITLE.format(number).replace("'", '"') for number in range(1, 11)]
        source.write_text("\n".join(rows) + "\n")
        os.utime(source, (1_700_000_000, 1_700_000_000))  # long finished, not being written
        settings = {"DATA_DIR": "data", "WAREHOUSE_PATH": "dw.db", "LOG_DIR": "logs"}
        environment = {key: str(folder / value) for key, value in settings.items()}
        environment |= {"NETFLIX_CSV": str(source), "NEWEST_TITLE_DAYS": "36500"}
        environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(project / "python")}
        for script in sorted((project / "python").glob("0[2-9]_*.py")):
            command = [sys.executable, __file__, "--trace", str(script), f"{folder}/calls.json"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{script.name}: {done.stderr}")
            first: dict[str, list] = {}
            for call in json.loads((folder / "calls.json").read_text()):
                if not NOT_FOLLOWED.fullmatch(call[0]):
                    first.setdefault(call[0], call)
            roads[script.name[:2]] = list(first.values())
    return roads


def file_of(function: str) -> str:
    return function.split(" ")[0]


def room_of(function: str) -> str:
    return function.split(" ")[0].split("/")[0]


def count_changes(road: list, unit_of: Callable[[str], str] = file_of) -> int:
    return sum(unit_of(one[0]) != unit_of(other[0]) for one, other in pairwise(road))


def count_left(road: list) -> dict[str, int]:
    """Function -> how often it sends its reader to another file."""
    calls, left = defaultdict(list), {}
    for function, caller, _ in road:
        if caller:
            calls[caller].append(file_of(function))
    for caller, files in calls.items():
        pairs = zip([file_of(caller), *files], files, strict=False)
        left[caller] = sum(file not in (before, file_of(caller)) for before, file in pairs)
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--project", default=Path(__file__).parents[2], type=lambda text: Path(text).resolve()
    )
    parser.add_argument("--road", default="", help="also print the road of this step, as 04")
    parser.add_argument("--trace", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trace:
        trace(*options.trace)
    roads = follow(options.project)
    out = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    head = "step functions files changes returns rooms frame left_most_often"
    out.writerow(head.split())
    numbers, functions = [], set()
    for step, road in roads.items():
        names = {function for function, *_ in road}
        files, changes = {file_of(name) for name in names}, count_changes(road)
        returns, rooms = changes - len(files) + 1, count_changes(road, room_of)
        frame = changes - count_changes([call for call in road if call[2]])
        name, times = max(count_left(road).items(), key=lambda pair: pair[1])
        numbers.append([changes, returns, rooms, frame])
        out.writerow([step, len(names), len(files), *numbers[-1], f"{times} {name}"])
        functions |= names
    files = {file_of(name) for name in functions}
    out.writerow(["all", len(functions), len(files), *map(sum, zip(*numbers, strict=True))])
    file = ""
    for function, *_ in roads.get(options.road, []):
        if file_of(function) != file:
            file = file_of(function)
            print(f"\n{file}:", end="")
        print(f" {function.split(' ')[1]}", end="")
    print()


if __name__ == "__main__":
    main()
