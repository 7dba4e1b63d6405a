"""How long two nights take: this pipeline, every step, next to dbt build, SQLMesh and dlt.

    make bench-peers FIRST=<first.csv> SECOND=<second.csv> ROWS=10000 ROUNDS=3

Set up as in compare.py; SQLMesh as its guide does: a model over read_csv with audits of the key,
and one of the kind SCD_TYPE_2_BY_COLUMN. Two pairs of files: FIRST and SECOND, if they are given,
and made-up ones of ROWS titles (1 % changed, 0.5 % new, 0.2 % gone). Each round: both files with
each tool, tool after tool; for scale, steps 02 to 07 alone, and bare_minimum.py, the same rows
brought into the same history by hand. Writes docs/bench-peers.md: medians of the wall time, with
the start of each process.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from compare import HERE, PIPELINE_PYTHON, PROJECT, Command, by_dbt, by_dlt, by_this_pipeline

BENCH = PROJECT / "tests" / "bench"
sys.path.append(str(BENCH))

from bench import sample  # noqa: E402

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


def by_sqlmesh(place: Path, file: Path, at: str) -> Command:
    """Plan the first night and run the next: a model that names its file must not change."""
    project, link = place / "sqlmesh", place / "titles.csv"
    is_first = not project.exists()
    shutil.copytree(HERE / "sqlmesh", project, dirs_exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(file)
    command = [str(Path(sys.executable).with_name("sqlmesh")), "-p", str(project), "plan"]
    command += ["--auto-apply", "--no-prompts", "--execution-time", at]
    if not is_first:
        command.append("--run")
    return command, {"SQLMESH_WAREHOUSE": str(place / "dw.db")}


CONTENDERS = {
    "this pipeline, `make run-all`": by_make,
    "this pipeline, 02 to 07": by_chain,
    "by hand, `bare_minimum.py`": by_hand,
    "dbt-duckdb, `dbt build`": by_dbt,
    "SQLMesh, SCD type 2 by column": by_sqlmesh,
    "dlt, `scd2`": by_dlt,
}
Took = dict[str, list[tuple[float, float]]]  # contender -> seconds of both nights, by round


def main(first: str, second: str, rounds: int, rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        made_up = [Path(sample(rows, day, Path(folder))[1]) for day in (1, 2)]
        pairs = {f"{rows:,} made-up titles": made_up}
        if first and second:
            pair = [Path(first).resolve(), Path(second).resolve()]
            pairs = {f"{pair[0].name}, then {pair[1].name}": pair, **pairs}
        found = {name: time_nights(files, rounds) for name, files in pairs.items()}
    text = report(found, rounds)
    (PROJECT / "docs" / "bench-peers.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def time_nights(files: list[Path], rounds: int) -> Took:
    took: Took = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, night in CONTENDERS.items():
            with tempfile.TemporaryDirectory() as place:
                first, second = (
                    time_night(name, night(Path(place), file, at), place)
                    for file, at in zip(files, DAYS, strict=True)
                )
            took[name].append((first, second))
    return took


def time_night(name: str, command: Command, place: str) -> float:
    words, settings = command
    environment = {"PATH": os.environ["PATH"], "HOME": place, **settings}
    started = time.perf_counter()
    done = subprocess.run(words, env=environment, cwd=place, capture_output=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{name}: {done.stdout.decode()[-2000:]} {done.stderr.decode()[-2000:]}")
    return seconds


def report(found: dict[str, Took], rounds: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("dbt-duckdb", "sqlmesh", "dlt"))
    lines = [
        "# How long a night takes, next to others",
        "",
        f"Made by `make bench-peers`: seconds of wall time, medians of {rounds} interleaved "
        f"rounds, {os.cpu_count()} cores; {versions}. The others stage the file and keep its "
        "history; dbt and SQLMesh check the key, none audits, builds a star schema or publishes.",
    ]
    for heading, took in found.items():
        lines += ["", f"## {heading}", ""]
        lines += ["| | first load | second night | each second night |", "|---|---:|---:|---|"]
        for name, seconds in took.items():
            first, second = zip(*seconds, strict=True)
            each = " ".join(f"{s:.2f}" for s in second)
            lines.append(f"| {name} | {median(first):.2f} | {median(second):.2f} | {each} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], *map(int, sys.argv[3:5])))
