r"""Record a data folder and a warehouse as the code of f448aaa left them, for tests to take over.

    git worktree add --detach ../older f448aaa
    PYTHONPATH=tests/support .venv/bin/python tests/support/record_older.py \
        ../older tests/ingest/f448aaa.tar.xz

Seven nights of made-up titles: rejects, one refused and then let pass by a limit, one let pass by
ACCEPT, a late one, and one that stays refused.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from titles import catalogue, title

STEPS = (
    *("02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql"),
    *("06_merge_cdc", "07_monitor_pipeline"),
)
TITLES = [title(number) for number in range(1, 51)]
NIGHTS = {
    1: TITLES,
    2: [title(1, rating="R"), *TITLES[1:]],
    3: TITLES[:20],
    4: TITLES,
    5: TITLES[24:],
    6: [*TITLES[24:], title(60, country="Chile")],
    7: TITLES[45:],
}
LOOSE = {"MAX_DELETED_PCT": "100", "MAX_INSERTED_PCT": "100", "MAX_REJECTED_PCT": "5"}


def run(checkout: Path, root: Path, code: int, **settings: str) -> str:
    """Run the steps up to the first that fails, with this exit code; what it said."""
    environ = {"PATH": os.environ["PATH"], "FRESHNESS_DAYS": "36500", "DUCKDB_THREADS": "1"}
    environ |= {"DATA_DIR": str(root / "data"), "WAREHOUSE_PATH": str(root / "dw.db")}
    environ |= {"LOG_DIR": str(root / "logs"), "NETFLIX_CSV": str(root / "titles.csv")}
    for step in STEPS:
        script = checkout / "python" / f"{step}.py"
        command = [sys.executable, str(script)]
        done = subprocess.run(command, env=environ | settings, capture_output=True, text=True)
        if done.returncode:
            break
    assert done.returncode == code, done
    return done.stderr


def night(checkout: Path, root: Path, day: int, code: int = 0, **settings: str) -> str:
    text = catalogue(*NIGHTS[day])
    odd = text.replace("\r\ns20,", "\r\ns900,Movie\r\ns20,") if day == 2 else text
    (root / "titles.csv").write_text(odd, newline="")
    return run(checkout, root, code, SNAPSHOT_AT=f"2020-01-{day:02}", **settings)


def main(checkout: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="older-") as folder:
        root = Path(folder)
        night(checkout, root, 2, **LOOSE)
        night(checkout, root, 3, code=20)
        run(checkout, root, 0, **LOOSE)
        night(checkout, root, 4, **LOOSE)
        said = night(checkout, root, 5, code=20)
        run(checkout, root, 0, ACCEPT=re.search(r"ACCEPT=(\w{12})", said)[1])
        night(checkout, root, 1, **LOOSE)
        night(checkout, root, 6)
        night(checkout, root, 7, code=20)
        with tarfile.open(target, "w:xz", preset=9) as tar:
            for name in ("data", "dw.db"):
                tar.add(root / name, name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
