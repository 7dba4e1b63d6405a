"""Time the pipeline next to the bare minimum, and draw it: `make bench ROWS="10000 100000"`.

    python tests/bench/bench.py <folder for the results> <rounds> <rows> [<rows> ...]

In each round, for each number of rows: a first load, day 2 (1 % changed, 0.5 % new, 0.2 % gone) and
the same file again, as `make run-all` does it; and bare_minimum.py, which brings the same rows into
the same history in one process, right after each. Medians over the rounds. Each file is read once
before what is timed, so that none comes from the disk. Before that, at the smallest number of rows
that is at least 100,000: the warehouse's size after 30 nights next to that of a fresh rebuild; and
at the largest that is at most 1,000,000, once, day 2 with 0, 1, 10 and 100 % of the titles changed.

Of 5,000,000 rows and more also the peak memory where DUCKDB_MEMORY_LIMIT is 2GB, in one round.

Writes bench.md (tables), bench.svg (time and memory against rows) and changes.svg.
"""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

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
WHOLE = {TO_MERGE: TO_MERGE, "all steps": "run-all"}  # in words, and in Loads
LOADS = ("first load", "day 2", "same file")
ONCE_ROWS = 5_000_000  # from here on, what stands behind the merge is run in the first round only
LOW_LIMIT = "2GB"  # of DuckDB's memory, for the peaks from ONCE_ROWS on
NIGHTS = 30
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
        usual = min((rows for rows in sizes if rows >= 100_000), default=max(sizes))
        grown = usual, *after_nights(usual, place)
        shared = max((rows for rows in sizes if rows <= 1_000_000), default=min(sizes))
        shares = shared, by_share(shared, place)
        every: dict[int, list[Loads]] = {rows: [] for rows in sizes}
        low: dict[int, list[float]] = {}
        for number in range(rounds):
            for rows in sizes:
                every[rows].append(one_round(rows, place, number))
                if rows >= ONCE_ROWS and number == 0:
                    low[rows] = low_peaks(rows, place)
            # After each round: what was measured in hours is not lost with the next one.
            found = {rows: medians(loads) for rows, loads in every.items()}
            text = report(found, every, shares, grown, number + 1, low)
            (target / "bench.md").write_text(text, encoding="utf-8")
            draw(found, shares, target)
    print(text)
    return 0


def one_round(rows: int, folder: Path, number: int) -> Loads:
    """First load, day 2 and its file once more, of the pipeline and of the bare minimum."""
    days = [sample(rows, day, folder) for day in (1, 2)]
    steps = STEPS if number == 0 or rows < ONCE_ROWS else COMPARED
    found: Loads = {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for load, (csv, clean), at in zip(
            LOADS, (*days, days[1]), ("2026-01-01", "2026-01-02", "2026-01-02"), strict=True
        ):
            print(f"{rows:,} rows, round {number + 1}, {load}", file=sys.stderr, flush=True)
            warm(csv)
            found[load] = chain(steps, place, NETFLIX_CSV=csv, SNAPSHOT_AT=at)
            if load == LOADS[2]:  # bare has no memory: it would do day 2 again
                found[load]["bare"] = found[LOADS[1]]["bare"]
            else:
                warm(clean)
                found[load]["bare"] = run(BENCH / "bare_minimum.py", clean, place, "history")
            found[load]["file"] = Spent(0, 0, Path(csv).stat().st_size / 1e6)
    return found


def warm(path: str) -> None:
    """Read the file, so that it comes from memory afterwards: there is not room for all of them."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def low_peaks(rows: int, folder: Path) -> list[float]:
    """MB of the largest process of a first load and of day 2, with little memory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        peaks = []
        for day in (1, 2):
            print(f"{rows:,} rows, {LOW_LIMIT}, day {day}", file=sys.stderr, flush=True)
            csv, _ = sample(rows, day, folder)
            night = {"NETFLIX_CSV": csv, "SNAPSHOT_AT": f"2026-01-{day:02}"}
            spent = chain(STEPS, place, DUCKDB_MEMORY_LIMIT=LOW_LIMIT, **night)
            peaks.append(spent["run-all"].memory)
        return peaks


def by_share(rows: int, folder: Path) -> Loads:
    """Day 2 with more and more of it changed."""
    csv, _ = sample(rows, 1, folder)
    found: Loads = {}
    for share in SHARES:
        print(f"{rows:,} rows, {share:.0%} changed", file=sys.stderr, flush=True)
        changed, _ = sample(rows, 2, folder, inserts=0, updates=share, deletes=0)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for file, at in ((csv, "2026-01-01"), (changed, "2026-01-02")):
                found[f"{share:.0%}"] = chain(STEPS, place, NETFLIX_CSV=file, SNAPSHOT_AT=at)
    return found


def after_nights(rows: int, folder: Path) -> tuple[float, float]:
    """MB of the warehouse after so many nights of the usual change, and of a fresh rebuild."""
    steps = [step for step in STEPS if step != "publish"]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for day in range(1, NIGHTS + 1):
            print(f"{rows:,} rows, night {day}", file=sys.stderr, flush=True)
            csv, _ = sample(rows, day, folder)
            night = {"NETFLIX_CSV": csv, "SNAPSHOT_AT": f"2026-01-{day:02}"}
            chain(steps, place, **night)
        warehouse = Path(place) / "dw.db"
        grown = warehouse.stat().st_size / 1e6
        run(PYTHON / "10_rebuild_warehouse.py", place=place, **night)
        chain(steps, place, **night)
        return grown, warehouse.stat().st_size / 1e6


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
    return found | {"run-all": whole} if found.keys() >= STEPS.keys() else found


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
    return text, Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


def medians(rounds: Iterable[Loads]) -> Loads:
    """The medians of all rounds that ran a step: times, and of its memory the most."""
    every = list(rounds)
    found: Loads = {}
    for load, steps in every[0].items():
        found[load] = {}
        for step in steps:
            walls, cpus, peaks = zip(
                *(one[load][step] for one in every if step in one[load]), strict=True
            )
            found[load][step] = Spent(median(walls), median(cpus), max(peaks))
    return found


def report(
    found: dict[int, Loads],
    every: dict[int, list[Loads]],
    shares: tuple[int, Loads],
    grown: tuple[int, float, float],
    rounds: int,
    low: dict[int, list[float]],
) -> str:
    lines = [
        "# How fast it is",
        "",
        f'Made by `make bench ROWS="{" ".join(map(str, found))}" ROUNDS={rounds}`: medians of '
        f"{rounds} interleaved round(s) (a ratio is that of its round), on {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}. "
        "The steps run as in `make "
        "run-all`, a process each, on a file that was just read once; *02 to 06* begins with the "
        "start of Python. *bare* is "
        "`tests/bench/bare_minimum.py`: the same rows in the same history by hand, in one "
        "process, without any check: 02 to 06 do what it does. *same "
        "file*: the file of day 2 again; bare has no memory and would do day 2 again, so it stands "
        "for it. Peaks are the largest of all rounds; DUCKDB_MEMORY_LIMIT is "
        f"{os.environ.get('DUCKDB_MEMORY_LIMIT') or 'the default, 4GB'}. From {ONCE_ROWS:,} rows "
        "on, monitor, analytics and publish ran in the first round only.",
    ]
    for rows, loads in found.items():
        megabytes = loads[LOADS[0]]["file"].memory
        lines += ["", f"## {rows:,} rows, {megabytes:,.0f} MB", ""]
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
                    f"| {spent.memory:,.0f} | {rows / spent.wall:,.0f} "
                    f"| {megabytes / spent.wall:,.1f} |"
                )
        if rows in low:
            peaks = ", ".join(
                f"{load} {peak:,.0f}" for load, peak in zip(LOADS[:2], low[rows], strict=True)
            )
            limit = f"DUCKDB_MEMORY_LIMIT={LOW_LIMIT}"
            lines += ["", f"Peak MB of all steps with {limit}, one round: {peaks}."]
    lines += against_bare("02 to 06 against bare, wall", every, TO_MERGE, "wall")
    lines += against_bare("The whole chain against bare, CPU", every, "run-all", "cpu")
    lines += twice_the_rows(found)
    lines += ["", f"## Day 2 by what changed, {shares[0]:,} rows, one round", ""]
    lines += ["| changed | steps | wall s | CPU s | peak MB |", "|---:|---|---:|---:|---:|"]
    for share, steps in shares[1].items():
        for what, step in WHOLE.items():
            wall, cpu, memory = steps[step]
            lines.append(f"| {share} | {what} | {wall:.2f} | {cpu:.2f} | {memory:,.0f} |")
    usual, size, rebuilt = grown
    lines += ["", f"## The warehouse after {NIGHTS} nights of {usual:,} rows", ""]
    lines += [f"{size:,.1f} MB; rebuilt from the same snapshots {rebuilt:,.1f} MB: "]
    lines[-1] += f"{size / rebuilt:.2f} times."
    return "\n".join(lines) + "\n"


def against_bare(
    heading: str, every: dict[int, list[Loads]], step: str, measure: Literal["wall", "cpu"]
) -> list[str]:
    """What a step takes for each second of bare, by rows and load: the median of the rounds.

    Of each round, as a shared machine's speed drifts between them by more than what is looked for.
    """
    lines = ["", f"## {heading}", ""]
    lines += ["| rows | " + " | ".join(LOADS) + " |", "|---:|" + "---:|" * len(LOADS)]
    for rows, rounds in every.items():
        ratios = [
            median(
                getattr(one[load][step], measure) / getattr(one[load]["bare"], measure)
                for one in rounds
                if step in one[load]
            )
            for load in LOADS
        ]
        lines.append(f"| {rows:,} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return lines


def twice_the_rows(found: dict[int, Loads]) -> list[str]:
    """How many times as long each load takes where there are twice as many rows."""
    lines = [
        "",
        "## Time for twice the rows, in times",
        "",
        "| from | to | " + " | ".join(f"{load}, {what}" for what in WHOLE for load in LOADS) + " |",
        "|---:|---:|" + "---:|" * len(LOADS) * len(WHOLE),
    ]
    for (fewer, before), (more, after) in pairwise(found.items()):
        doublings = math.log2(more / fewer)
        growths = [
            (after[load][step].wall / before[load][step].wall) ** (1 / doublings)
            for step in WHOLE.values()
            for load in LOADS
        ]
        cells = " | ".join(f"{growth:.2f}" for growth in growths)
        lines.append(f"| {fewer:,} | {more:,} | {cells} |")
    return lines


def draw(found: dict[int, Loads], shares: tuple[int, Loads], target: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"  # the same numbers give the same file
    from matplotlib import pyplot

    sizes = list(found)
    figure, (time_axes, memory_axes) = pyplot.subplots(1, 2, figsize=(12, 6), layout="constrained")
    for color, load in enumerate(LOADS):
        for label, style, step in (
            (f"{load}, {TO_MERGE}", "o-", TO_MERGE),
            (f"{load}, all steps", "s:", "run-all"),
            (f"{load}, bare", "x--", "bare"),
        ):
            if (load, step) == (LOADS[2], "bare"):
                continue  # is that of day 2
            spent = [found[size][load][step] for size in sizes]
            look = {"color": f"C{color}", "label": label}
            time_axes.plot(sizes, [one.wall for one in spent], style, **look)
            memory_axes.plot(sizes, [one.memory for one in spent], style, **look)
    base = found[sizes[0]][LOADS[0]][TO_MERGE].wall / sizes[0]
    time_axes.plot(
        sizes,
        [base * rows for rows in sizes],
        color="lightgray",
        label="twice the rows, twice the time",
    )
    time_axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="Time")
    memory_axes.set(xscale="log", xlabel="rows", ylabel="MB", title="Peak memory of a process")
    time_axes.legend(fontsize="small")
    figure.savefig(target / "bench.svg", metadata={"Date": None})
    rows, loads = shares
    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    for what, step in reversed(WHOLE.items()):
        axes.bar(list(loads), [steps[step].wall for steps in loads.values()], label=what)
    axes.set(xlabel="changed", ylabel="seconds", title=f"Day 2 of {rows:,} rows", ylim=0)
    axes.legend()
    figure.savefig(target / "changes.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), list(map(int, sys.argv[3:]))))
