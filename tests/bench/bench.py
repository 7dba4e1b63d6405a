"""Time the pipeline beside the bare minimum, and draw it: `make bench ROWS="10000 100000"`.

    python tests/bench/bench.py <folder for the results> <rounds> <rows> [<rows> ...]

For each number of rows, in each round: a first load, day 2 (1 % changed, 0.5 % new, 0.2 % gone) and
day 2's records again as a snapshot of their own (by SNAPSHOT_AT; without it the same file ends
after its digest), as `make run-all` does it; and bare_minimum.py, which brings the same rows into
the same history in one process, right after each. Medians over the rounds. Then day 2 with 0, 1, 10
and 100 % of the titles changed, at the smallest number of rows that is at least 100,000.

Writes bench.md (tables), bench.svg (time and memory against rows) and changes.svg.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import duckdb

BENCH = Path(__file__).resolve().parent
PYTHON = BENCH.parent.parent / "python"
STEPS = {
    "raw": "02_create_raw_layer",
    "load": "03_load_raw_to_duckdb",
    "schema": "04_check_schema",
    "staging": "05_run_staging_sql",
    "merge": "06_merge_cdc",
    "monitor": "07_monitor_pipeline",
    "analytics": "08_build_analytics",
    "publish": "09_publish",
}
TO_MERGE = "02 to 06"
COMPARED = ("raw", "load", "schema", "staging", "merge")  # what bare_minimum.py does, too
LOADS = ("first load", "day 2", "same records")
SHARES = (0, 0.01, 0.1, 1)
GUARDS = {  # a changed share of 100 % is what the guard is there to stop
    f"MAX_{what}_{kind}": limit
    for what in ("INSERTED", "UPDATED", "DELETED")
    for kind, limit in (("ROWS", "1000000000"), ("PCT", "100"))
}


class Spent(NamedTuple):
    """What one process took: seconds of wall time and of CPU, peak memory in MB."""

    wall: float
    cpu: float
    memory: float


Loads = dict[str, dict[str, Spent]]  # load -> step -> what it took


def main(target: Path, rounds: int, sizes: list[int]) -> int:
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        place = Path(folder)
        found = {rows: medians(one_round(rows, place) for _ in range(rounds)) for rows in sizes}
        rows = min((rows for rows in sizes if rows >= 100_000), default=max(sizes))
        shares = medians(by_share(rows, place) for _ in range(rounds))
    text = report(found, shares, rows, rounds)
    (target / "bench.md").write_text(text, encoding="utf-8")
    draw(found, shares, rows, target)
    print(text)
    return 0


def one_round(rows: int, folder: Path) -> Loads:
    """First load, day 2 and its records once more, of the pipeline and of the bare minimum."""
    days = [sample(rows, day, folder) for day in (1, 2)]
    found: Loads = {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for load, (csv, clean), at in zip(
            LOADS, (*days, days[1]), ("2026-01-01", "2026-01-02", "2026-01-03"), strict=True
        ):
            print(f"{rows:,} rows, {load}", file=sys.stderr, flush=True)
            found[load] = chain(STEPS, place, NETFLIX_CSV=csv, SNAPSHOT_AT=at)
            found[load]["bare"] = run(BENCH / "bare_minimum.py", clean, place, "history")
            found[load]["file"] = Spent(0, 0, Path(csv).stat().st_size / 1e6)
    return found


def by_share(rows: int, folder: Path) -> Loads:
    """Day 2 with more and more of it changed, 02 to 06."""
    csv, _ = sample(rows, 1, folder)
    found: Loads = {}
    for share in SHARES:
        print(f"{rows:,} rows, {share:.0%} changed", file=sys.stderr, flush=True)
        changed, _ = sample(rows, 2, folder, inserts=0, updates=share, deletes=0)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for file, at in ((csv, "2026-01-01"), (changed, "2026-01-02")):
                found[f"{share:.0%}"] = chain(COMPARED, place, NETFLIX_CSV=file, SNAPSHOT_AT=at)
    return found


def sample(rows: int, day: int, folder: Path, **shares: float) -> tuple[str, str]:
    """(made-up catalogue, the same without the bytes that are no UTF-8, which read_csv refuses)."""
    name = "-".join(map(str, (rows, day, *shares.values())))
    csv, clean = folder / f"{name}.csv", folder / f"{name}-clean.csv"
    if not csv.exists():
        options = [text for key, share in shares.items() for text in (f"--{key}", str(share))]
        run(
            PYTHON / "00_make_sample_data.py",
            *("--rows", str(rows), "--day", str(day), "--out", str(csv), *options),
            place=str(folder),
        )
        with clean.open("wb") as out:
            subprocess.run(["iconv", "-c", "-f", "UTF-8", "-t", "UTF-8", csv], stdout=out)
    return str(csv), str(clean)


def chain(steps: Iterable[str], place: str, **settings: str) -> dict[str, Spent]:
    """Run steps as `make run-all` does: what each took, and all (02 to 06) from the first start."""
    started = time.monotonic()
    scripts = {STEPS[step]: step for step in steps}
    text, whole = run_process(BENCH / "chain.py", *scripts, place=place, **settings)
    ends = json.loads(text.splitlines()[-1])
    found = {step: Spent(*ends[script][1:]) for script, step in scripts.items()}
    own = [found[step] for step in COMPARED]
    to_merge = ends[STEPS["merge"]][0] - started
    found[TO_MERGE] = Spent(to_merge, sum(s.cpu for s in own), max(s.memory for s in own))
    return found | {"run-all": whole}


def run(script: Path, *arguments: str, place: str = "", **settings: str) -> Spent:
    return run_process(script, *arguments, place=place, **settings)[1]


def run_process(
    script: Path, *arguments: str, place: str = "", **settings: str
) -> tuple[str, Spent]:
    """Run a script as a process of its own, which must succeed: its output, and what it took."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": f"{place}/data",
        "WAREHOUSE_PATH": f"{place}/dw.db",
        "LOG_DIR": f"{place}/logs",
        "DUCKDB_MEMORY_LIMIT": os.environ.get("DUCKDB_MEMORY_LIMIT", ""),
        "FRESHNESS_DAYS": "36500",
        **GUARDS,
        **settings,
    }
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, script, *arguments], env=environment, stdout=output, stderr=output
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise SystemExit(f"{script.name} failed:\n{text}")
    return text, Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def medians(rounds: Iterator[Loads]) -> Loads:
    every = list(rounds)
    return {
        load: {
            step: Spent(*map(median, zip(*(one[load][step] for one in every), strict=True)))
            for step in steps
        }
        for load, steps in every[0].items()
    }


def report(found: dict[int, Loads], shares: Loads, rows: int, rounds: int) -> str:
    lines = [
        "# How fast it is",
        "",
        f'Made by `make bench ROWS="{" ".join(map(str, found))}" ROUNDS={rounds}`: medians of '
        f"{rounds} interleaved round(s), on {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, DuckDB {duckdb.__version__}. The steps run as in `make "
        "run-all`, a process each; *02 to 06* begins with the start of Python. *bare* is "
        "`tests/bench/bare_minimum.py`: the same rows in the same history by hand, in one "
        "process, without any check; it is compared with 02 to 06, which do what it does. *same "
        "records*: the file of day 2 again, as a snapshot of its own.",
    ]
    for size, loads in found.items():
        megabytes = loads[LOADS[0]]["file"].memory
        lines += ["", f"## {size:,} rows, {megabytes:,.0f} MB", ""]
        lines += [
            "| | step | wall s | CPU s | peak MB | rows/s | MB/s |",
            "|---|---|" + "---:|" * 5,
        ]
        for load, steps in loads.items():
            shown = {name: steps[name] for name in STEPS}
            shown |= {"**02 to 06**": steps[TO_MERGE], "**bare**": steps["bare"]}
            shown |= {"**all, by run-all**": steps["run-all"]}
            for at, (step, spent) in enumerate(shown.items()):
                lines.append(
                    f"| {load if at == 0 else ''} | {step} | {spent.wall:.2f} | {spent.cpu:.2f} "
                    f"| {spent.memory:,.0f} | {size / spent.wall:,.0f} "
                    f"| {megabytes / spent.wall:,.1f} |"
                )
    lines += ["", "## 02 to 06 beside bare", ""]
    lines += ["| rows | " + " | ".join(LOADS) + " |", "|---:|" + "---:|" * len(LOADS)]
    for size, loads in found.items():
        ratios = [steps[TO_MERGE].wall / steps["bare"].wall for steps in loads.values()]
        lines.append(f"| {size:,} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    lines += ["", f"## Day 2 by what changed, {rows:,} rows, 02 to 06", ""]
    lines += ["| changed | wall s | CPU s | peak MB |", "|---:|---:|---:|---:|"]
    for share, steps in shares.items():
        spent = steps[TO_MERGE]
        lines.append(f"| {share} | {spent.wall:.2f} | {spent.cpu:.2f} | {spent.memory:,.0f} |")
    return "\n".join(lines) + "\n"


def draw(found: dict[int, Loads], shares: Loads, rows: int, target: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"  # the same numbers give the same file
    from matplotlib import pyplot

    sizes = list(found)
    figure, (time_axes, memory_axes) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for load in LOADS:
        for label, style, step in ((load, "o-", TO_MERGE), (f"{load}, bare", "x--", "bare")):
            spent = [found[size][load][step] for size in sizes]
            time_axes.plot(sizes, [one.wall for one in spent], style, label=label)
            memory_axes.plot(sizes, [one.memory for one in spent], style, label=label)
    time_axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="02 to 06")
    memory_axes.set(xscale="log", xlabel="rows", ylabel="MB", title="Peak memory of a process")
    time_axes.legend()
    figure.savefig(target / "bench.svg", metadata={"Date": None})
    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    axes.bar(list(shares), [steps[TO_MERGE].wall for steps in shares.values()])
    axes.set(xlabel="changed", ylabel="seconds", title=f"Day 2 of {rows:,} rows, 02 to 06", ylim=0)
    figure.savefig(target / "changes.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), list(map(int, sys.argv[3:]))))
