"""Take the README's picture of the page: two nights of sample data, a real browser.

The sample has the shape of the real pair of snapshots: 5,837 titles of which 631 have no date yet,
then 6,234, of which 397 are new. The page says that it is made up.

python screenshot.py <picture.png>; `make screenshot` calls it. Needs chromium.
"""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PYTHON = Path(__file__).resolve().parents[2] / "python"
FIRST, SECOND, UNDATED = 5_837, 6_234, 631  # titles of each night, and those without a date


def main(picture: Path) -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("screenshot: there is no chromium on this machine", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        publish_sample(Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 1440}, color_scheme="light")
            tab.clock.set_fixed_time("2026-01-09T08:00:00Z")  # the morning after
            tab.goto(f"file://{folder}/data/published/dashboard.html")
            tab.wait_for_selector("html[data-ready]")
            picture.parent.mkdir(exist_ok=True)
            tab.screenshot(path=picture)
            browser.close()
    print(f"{picture}: {picture.stat().st_size:,} bytes")
    return 0


def publish_sample(root: Path) -> None:
    """Two nights of a made-up catalogue, through the whole chain."""
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PYTHON),
        "DATA_DIR": str(root / "data"),
        "WAREHOUSE_PATH": str(root / "dw.db"),
        "LOG_DIR": str(root / "logs"),
        "FRESHNESS_DAYS": "36500",
    }

    def run(script: str, *arguments: str, **night: str) -> None:
        command = [sys.executable, PYTHON / f"{script}.py", *arguments]
        subprocess.run(command, env=settings | night, check=True, stdout=subprocess.DEVNULL)

    second = root / "second.csv"
    run("00_make_sample_data", "--rows", str(SECOND), "--out", str(second))
    first = root / "first.csv"
    write_night_before(second, first)
    for path, day in ((first, "2026-01-02"), (second, "2026-01-09")):
        run("run_all", NETFLIX_CSV=str(path), SNAPSHOT_AT=day)


def write_night_before(after: Path, before: Path) -> None:
    """Write a file without the last titles, and some of the others without their date.

    Its bytes are taken as they are: the sample has lines in another encoding. The truth next to it
    says that this file is made up, too.
    """
    with open(after, encoding="latin-1", newline="") as file:
        head, *rows = csv.reader(file)
    date, rows = head.index("date_added"), rows[:FIRST]
    for row in rows[:: FIRST // UNDATED][:UNDATED]:
        row[date] = ""
    with open(before, "w", encoding="latin-1", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows([head, *rows])
    truth = {"sha256": hashlib.sha256(before.read_bytes()).hexdigest()}
    before.with_suffix(".truth.json").write_text(json.dumps(truth), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
