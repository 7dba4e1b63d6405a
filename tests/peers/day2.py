"""How long a second night takes: this pipeline, every step, next to dbt build and dlt.

    make bench-peers FIRST=<first.csv> SECOND=<second.csv> ROUNDS=5

Set up as in compare.py. Each round: the first file with each tool, untimed, then the second one,
timed, tool after tool; for scale, steps 02 to 07 alone, and bare_minimum.py, the same rows brought
into the same history by hand. Writes docs/bench-peers.md: medians of the wall time, with the start
of each process.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from compare import PIPELINE_PYTHON, PROJECT, Command, by_dbt, by_dlt, by_this_pipeline

BENCH = PROJECT / "tests" / "bench"
DAYS = ("2022-01-01T00:00:00+00:00", "2022-01-02T00:00:00+00:00")
TO_MONITOR = (
    "02_create_raw_layer",
    "03_load_raw_to_duckdb",
    "04_check_schema",
    "05_run_staging_sql",
    "06_merge_cdc",
    "07_monitor_pipeline",
)


def by_make(place: Path, file: Path, at: str) -> Command:
    _, settings = by_this_pipeline(place, file, at)
    venv = PIPELINE_PYTHON.parent.parent
    return ["make", "-C", str(PROJECT), "run-all", f"VENV={venv}"], settings


def by_chain(place: Path, file: Path, at: str) -> Command:
    _, settings = by_this_pipeline(place, file, at)
    return [str(PIPELINE_PYTHON), str(BENCH / "chain.py"), *TO_MONITOR], settings


def by_hand(place: Path, file: Path, at: str) -> Command:
    script = str(BENCH / "bare_minimum.py")
    return [str(PIPELINE_PYTHON), script, str(file), str(place), "history"], {}


CONTENDERS = {
    "this pipeline, `make run-all`": by_make,
    "this pipeline, 02 to 07": by_chain,
    "by hand, `bare_minimum.py`": by_hand,
    "dbt-duckdb, `dbt build`": by_dbt,
    "dlt, `scd2`": by_dlt,
}


def main(first: str, second: str, rounds: int) -> int:
    took: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, night in CONTENDERS.items():
            with tempfile.TemporaryDirectory() as place:
                for file, at in zip((first, second), DAYS, strict=True):
                    command, settings = night(Path(place), Path(file).resolve(), at)
                    environment = {"PATH": os.environ["PATH"], "HOME": place, **settings}
                    started = time.perf_counter()
                    done = subprocess.run(command, env=environment, cwd=place, capture_output=True)
                    seconds = time.perf_counter() - started
                    if done.returncode:
                        print(name, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
                        return 1
                took[name].append(seconds)
    text = report(took, Path(first).name, Path(second).name, rounds)
    (PROJECT / "docs" / "bench-peers.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def report(took: dict[str, list[float]], first: str, second: str, rounds: int) -> str:
    lines = [
        "# How long a second night takes, next to others",
        "",
        f"Made by `make bench-peers` with {first}, then {second}: the second file, medians of "
        f"{rounds} interleaved rounds, {os.cpu_count()} cores; dbt-duckdb {version('dbt-duckdb')}, "
        f"dlt {version('dlt')}. Those two stage the file and keep its history; neither checks it, "
        "audits, builds a star schema or publishes.",
        "",
        "| | seconds | each round |",
        "|---|---:|---|",
    ]
    for name, seconds in took.items():
        each = " ".join(f"{s:.2f}" for s in seconds)
        lines.append(f"| {name} | {median(seconds):.2f} | {each} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
