"""Time the page of a published folder: its build, and what a reader waits for.

    python tests/bench/page.py data/published [rounds]

Prints CPU seconds of the build, and of a real browser at 1280 x 900 in milliseconds: first paint,
all drawn, and of ten choices the pass that counts and the whole redraw. Medians over the rounds.
"""

import shutil
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "python"))

from config import load_settings  # noqa: E402
from publish.dashboard import build_dashboard  # noqa: E402
from publish.exports import list_published_tables  # noqa: E402
from warehouse.database import connect  # noqa: E402

CHOICES = 10


def time_build(copy: Path) -> float:
    settings = load_settings()
    with closing(connect(copy, settings, read_only=True)) as con:
        begun = time.process_time()
        build_dashboard(con, list_published_tables(con), settings, {})
        return time.process_time() - begun


def time_reader(browser, page: Path) -> dict[str, float]:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    tab.wait_for_selector("html[data-ready]")
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    found = {
        "first paint": tab.evaluate(paint),
        "all drawn": float(tab.evaluate("document.documentElement.dataset.ready")),
    }
    times: dict[str, list[float]] = {"counted": [], "drawn": []}
    for number in range(CHOICES):
        tab.evaluate(f"document.querySelectorAll('#f-genre .bars button')[{number % 5}].click()")
        for name, values in times.items():
            values.append(float(tab.evaluate(f"document.documentElement.dataset.{name}")))
    tab.close()
    return found | {f"{name}, of a choice": median(values) for name, values in times.items()}


def main(published: Path, rounds: int) -> None:
    builds = [time_build(published / "netflix.duckdb") for _ in range(rounds)]
    print(f"{'build, CPU s':<20} {median(builds):8.3f}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        seen = [time_reader(browser, published / "dashboard.html") for _ in range(rounds)]
        browser.close()
    for name in seen[0]:
        print(f"{name + ', ms':<20} {median(one[name] for one in seen):8.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
