"""How long a second night takes: this pipeline, every step, beside dbt build and dlt.

    PIPELINE_PYTHON=.venv/bin/python PYTHONPATH=tests .venv-peers/bin/python tests/peers/day2.py \\
        <first.csv> <second.csv> [<rounds>]

Set up as in compare.py. Each round: the first file with each tool, untimed, then the second one,
timed, tool after tool. Medians of the wall time, in seconds, with the start of each process.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from compare import TOOLS

DAYS = ("2022-01-01T00:00:00+00:00", "2022-01-02T00:00:00+00:00")


def main(first: str, second: str, rounds: int) -> int:
    took: dict[str, list[float]] = {tool.name: [] for tool in TOOLS}
    for _ in range(rounds):
        for tool in TOOLS:
            with tempfile.TemporaryDirectory() as place:
                for file, at in zip((first, second), DAYS, strict=True):
                    command, settings = tool.night(Path(place), Path(file).resolve(), at)
                    environment = {"PATH": os.environ["PATH"], "HOME": place, **settings}
                    started = time.perf_counter()
                    done = subprocess.run(command, env=environment, cwd=place, capture_output=True)
                    seconds = time.perf_counter() - started
                    if done.returncode:
                        print(tool.name, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
                        return 1
                took[tool.name].append(seconds)
    for name, seconds in took.items():
        print(f"{name:<24} {median(seconds):6.2f} s   {' '.join(f'{s:.2f}' for s in seconds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5))
