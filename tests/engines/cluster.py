"""Time a first load and a second day on a two-worker Sail cluster, and on DuckDB: `make cluster`.

    python tests/engines/cluster.py <rows>

Prints a Markdown table: seconds of each step, the peak memory of the steps' processes, and that of
the server with both workers in it. Ends with an error where the two hold different content.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / "python"
sys.path[:0] = [str(PYTHON), str(HERE), str(HERE.parent), str(HERE.parent / "support")]

from both import COMPARED, LIMITS, Elsewhere  # noqa: E402 - where it is, is said above
from on_spark import SERVER  # noqa: E402
from serving import free_port, wait_for  # noqa: E402

CLUSTER = {
    "SAIL_MODE": "local-cluster",
    "SAIL_CLUSTER__WORKER_INITIAL_COUNT": "2",
    "SAIL_CLUSTER__WORKER_MAX_COUNT": "2",
}
# All of a made-up catalogue is new on its first day, and the rest is judged by shares.
LIMITS = {**LIMITS, "MAX_INSERTED_PCT": "100"}
# The star schema is compared by its KPIs: its bridges alone have ten times the rows of the rest.
CHECKED = [name for name in COMPARED if not name.startswith(("dim_", "fact_", "bridge_"))]
LINE = re.compile(r"^(\w+) .* rows +([\d.]+) s  ", re.MULTILINE)


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        days = [(sample(place, rows, day), f"2021-01-0{day}") for day in (1, 2)]
        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)],
            env={**os.environ, **CLUSTER},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port, server)
            remote = {
                "WAREHOUSE": "spark",
                "SPARK_REMOTE": f"sc://127.0.0.1:{port}",
                "SPARK_LOCATION": str(place / "delta"),
            }
            duck = Elsewhere(place / "duckdb", LIMITS)
            spark = Elsewhere(place / "spark", LIMITS | remote)
            found = [[timed(pipeline, *day) for day in days] for pipeline in (duck, spark)]
            server_mb = peak_mb(server.pid)
            sys.stdout.write(table(rows, found, server_mb))
            different = [name for name in CHECKED if not same(duck, spark, name)]
        finally:
            server.terminate()
            server.wait(60)
    sys.stdout.write(f"\ndifferent content: {', '.join(different) or 'none'}\n")
    return 1 if different else 0


def sample(place: Path, rows: int, day: int) -> Path:
    path = place / f"day{day}.csv"
    script = PYTHON / "00_make_sample_data.py"
    options = ["--rows", str(rows), "--day", str(day), "--out", str(path)]
    subprocess.run([sys.executable, str(script), *options], check=True, stdout=subprocess.DEVNULL)
    return path


def timed(pipeline: Elsewhere, source: Path, at: str) -> dict[str, float]:
    """Seconds of each step of `make run-all` on a file, of the whole, and its peak memory in MB."""
    pipeline.root.mkdir(exist_ok=True)
    began = time.perf_counter()
    run = subprocess.Popen(
        [sys.executable, str(PYTHON / "run_all.py")],
        env={**pipeline.environment, "NETFLIX_CSV": str(source), "SNAPSHOT_AT": at},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with run.stdout:
        said = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(said)
    seconds = {step: float(took) for step, took in LINE.findall(said)}
    return {**seconds, "all": time.perf_counter() - began, "MB": used.ru_maxrss / 1024}


def peak_mb(pid: int) -> float:
    """The most memory that a process had so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def same(duck: Elsewhere, spark: Elsewhere, name: str) -> bool:
    """By digest: the rows of a big table are too many to be compared as they are."""
    from engines.migrate import table_digest

    found = []
    for pipeline in (duck, spark):
        with pipeline.warehouse() as con:
            cursor = con.execute(f"SELECT * FROM {name} LIMIT 0")
            found.append(
                table_digest(con, name, sorted(column[0] for column in cursor.description))
            )
    return found[0] == found[1]


def table(rows: int, found: list[list[dict[str, float]]], server_mb: float) -> str:
    (duck_1, duck_2), (spark_1, spark_2) = found
    lines = [
        f"{rows:,} rows; {os.cpu_count()} cores, {platform.machine()}; day 2: 1 % changed, "
        "0.5 % new, 0.2 % gone.",
        "",
        "| step | DuckDB, first load | Sail, first load | DuckDB, day 2 | Sail, day 2 |",
        "|---|---:|---:|---:|---:|",
    ]
    for step in duck_1:
        values = [side[step] for side in (duck_1, spark_1, duck_2, spark_2)]
        name = {"all": "all, s", "MB": "peak of the steps, MB"}.get(step, f"{step}, s")
        digits = 0 if step == "MB" else 1
        lines.append(f"| {name} | " + " | ".join(f"{v:,.{digits}f}" for v in values) + " |")
    lines.append(f"| peak of the server, MB | | | | {server_mb:,.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
