"""The dashboard: one HTML file that needs no server and asks nobody for anything.

Drawn by a small script of its own (page/page.js) over a counted cube, not by a chart library: so
every bar is a button that a keyboard and a screen reader can use, the page is 100 kB instead of
1 MB, and a content security policy without exceptions holds. All text from the data reaches the
page as JSON and is shown by textContent.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from config import __version__
from warehouse.database import Warehouse, fetch_file, run_file

ASSETS = Path(__file__).resolve().parent / "page"
MAX_CELLS = 60_000  # combinations in the cube: about 2 MB of the page
# How the cube gets coarser until it fits, and what the page says then: settings of
# page_cube_coarser.sql. The last one has less than MAX_CELLS combinations, whatever the catalogue.
REMARK = "A title of three countries counts once in totals and once in each country's row."
COARSER_LEVELS = (
    (
        {"cube_genres": 2, "cube_names": 1_000_000, "cube_decades": False},
        "So many titles: countries are the first one named, genres the first two, dates the year.",
    ),
    (
        {"cube_genres": 1, "cube_names": 20, "cube_decades": False},
        "So many titles: countries and genres are the first one named, the 20 most frequent of "
        "them and of the ratings by name; dates are the year.",
    ),
    (
        {"cube_genres": 1, "cube_names": 12, "cube_decades": True},
        "So many titles: countries and genres are the first one named, the 12 most frequent of "
        "them and of the ratings by name; release years are decades.",
    ),
)
COUNTS = ("titles", "titles_before", "new_titles", "changed_titles", "gone_titles")
LONG = 300  # characters of a value that changed


def build_dashboard(con: Warehouse) -> str:
    """The page of what the warehouse holds, as HTML."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = (ASSETS / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{source_hash(style)}'; "
        f"script-src '{source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = (ASSETS / "page.html").read_text(encoding="utf-8")
    for mark, text in (
        ("%POLICY%", policy),
        ("%STYLE%", style),
        ("%SCRIPT%", script),
        ("%DATA%", escape_json(collect_content(con))),
    ):
        page = page.replace(mark, text, 1)
    return page


def source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def escape_json(content: Any) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(content, ensure_ascii=False, default=str, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def run_seconds(run: dict[str, Any]) -> float:
    return round((run["finished_at"] - run["started_at"]).total_seconds(), 3)


def collect_content(con: Warehouse) -> dict[str, Any]:
    """All that the page shows: the cube as columns of codes, tables as lists of rows."""
    remark = build_cube(con)
    people = con.execute("SELECT person, role, titles FROM kpi_top_people").fetchall()
    changes = fetch_file(con, "publish/page_changes.sql")
    durations = con.execute(
        "SELECT type, unit, titles, minimum, median, mean, maximum FROM kpi_duration_by_type"
    ).fetchall()
    runs = fetch_file(con, "reports/status_runs.sql")
    return {
        "version": __version__,
        "summary": fetch_file(con, "publish/page_summary.sql")[0],
        "remark": remark,
        "cube": encode_columns(fetch_file(con, "publish/page_cells.sql")),
        "places": dict(
            con.execute(
                "SELECT country, iso_alpha2 FROM dim_country WHERE status = 'current'"
            ).fetchall()
        ),
        "world": json.loads((ASSETS / "world.json").read_text(encoding="utf-8")),
        "additions": con.execute(
            "SELECT strftime(month, '%Y-%m'), CAST(sum(titles) AS INTEGER) "
            "FROM kpi_additions_by_month WHERE month IS NOT NULL GROUP BY month ORDER BY month"
        ).fetchall(),
        "people": {
            role: [[name, titles] for name, by, titles in people if by == role][:15]
            for role in ("cast", "director")
        },
        "durations": durations,
        "changes": [
            [row["operation"], row["title_id"]]
            + [truncate(row[name]) for name in ("title", "column_name", "old_value", "new_value")]
            for row in changes
        ],
        "all_changes": changes[0]["changes"] if changes else 0,
        "checks": [list(row.values()) for row in fetch_file(con, "publish/page_checks.sql")],
        "drift": [list(row.values()) for row in fetch_file(con, "publish/page_drift.sql")],
        "books": [list(row.values()) for row in fetch_file(con, "publish/row_counts.sql")],
        "runs": sorted(
            [row["step"], row["status"], f"{row['finished_at']:%Y-%m-%d %H:%M}", run_seconds(row)]
            for row in runs
        ),
    }


def build_cube(con: Warehouse) -> str:
    """Make the temp table page_cube, of at most MAX_CELLS rows; what the page says about it."""
    run_file(con, "publish/page_cube.sql")
    remark = REMARK
    for settings, other in COARSER_LEVELS:
        if con.execute("SELECT count(*) FROM page_cube").fetchone()[0] <= MAX_CELLS:
            break
        remark = other
        run_file(con, "publish/page_cube_coarser.sql", settings)
    return remark


def truncate(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONG else text[:LONG] + "\u2026"


def encode_columns(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The cube by columns: names once, cells as their numbers; lists as lists of numbers."""
    names: dict[str, dict[str, int]] = {key: {} for key in ("type", "rating", "country", "genre")}

    def code(key: str, name: str) -> int:
        return names[key].setdefault(name, len(names[key]))

    columns = {
        "type": [code("type", cell["type"]) for cell in cells],
        "rating": [code("rating", cell["rating"]) for cell in cells],
        "country": [
            [code("country", name) for name in dict.fromkeys(cell["countries"].split(", "))]
            for cell in cells
        ],
        "genre": [
            [code("genre", name) for name in dict.fromkeys(cell["genres"].split(", "))]
            for cell in cells
        ],
        "year": [cell["release_year"] for cell in cells],
        "added": [cell["added"] for cell in cells],
        **{name: [cell[name] for cell in cells] for name in COUNTS},
    }
    return {"names": {key: list(found) for key, found in names.items()}, **columns}
