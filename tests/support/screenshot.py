"""Take the README's picture of the page: two nights of sample data, a real browser.

python screenshot.py <picture.png>; `make screenshot` calls it. Needs chromium.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PYTHON = Path(__file__).resolve().parents[2] / "python"


def main(picture: Path) -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("screenshot: there is no chromium on this machine", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        publish_sample(Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 1010})
            tab.goto(f"file://{folder}/data/published/dashboard.html")
            picture.parent.mkdir(exist_ok=True)
            tab.screenshot(path=picture)
            browser.close()
    print(f"{picture}: {picture.stat().st_size:,} bytes")
    return 0


def publish_sample(root: Path) -> None:
    """Two nights of a made-up catalogue of 10,000 titles, through the whole chain."""
    settings = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(root / "data"),
        "WAREHOUSE_PATH": str(root / "dw.db"),
        "LOG_DIR": str(root / "logs"),
        "FRESHNESS_DAYS": "36500",
    }
    for day in ("1", "2"):
        csv = str(root / f"day{day}.csv")
        night = {"NETFLIX_CSV": csv, "SNAPSHOT_AT": f"2026-01-0{day}"}
        for script, *arguments in (
            ("00_make_sample_data", "--rows", "10000", "--day", day, "--out", csv),
            ("run_all",),
        ):
            subprocess.run(
                [sys.executable, PYTHON / f"{script}.py", *arguments],
                env=settings | night,
                check=True,
                stdout=subprocess.DEVNULL,
            )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
