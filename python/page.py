"""The dashboard: one HTML file that needs no server and asks nobody for anything.

Drawn by a small script of its own (assets/page.js) over a counted cube, not by a chart library: so
every bar is a button that a keyboard and a screen reader can use, the page is 100 kB instead of
1 MB, and a content security policy without exceptions holds. All text from the data reaches the
page as JSON and is shown by textContent.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from engine import DuckDBPyConnection
from warehouse import fetch_sql, run_sql

ASSETS = Path(__file__).resolve().parent / "assets"
MAX_CELLS = 60_000  # combinations in the cube: about 2 MB of the page
# How the cube gets coarser until it fits, and what the page says then: settings of
# page_cube_coarser.sql. The last one has less than MAX_CELLS combinations, whatever the catalogue.
REMARK = "A title of three countries counts once in totals and once in each country's row."
COARSER = (
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


def dashboard(con: DuckDBPyConnection) -> str:
    """The page of what the warehouse holds, as HTML."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = (ASSETS / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{fingerprint(style)}'; "
        f"script-src '{fingerprint(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = (ASSETS / "page.html").read_text(encoding="utf-8")
    for mark, text in (
        ("%POLICY%", policy),
        ("%STYLE%", style),
        ("%SCRIPT%", script),
        ("%DATA%", as_json(content(con))),
    ):
        page = page.replace(mark, text, 1)
    return page


def fingerprint(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def as_json(content: Any) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(content, ensure_ascii=False, default=str, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def seconds(run: dict[str, Any]) -> float:
    return round((run["finished_at"] - run["started_at"]).total_seconds(), 3)


def content(con: DuckDBPyConnection) -> dict[str, Any]:
    """All that the page shows: the cube as columns of codes, tables as lists of rows."""
    remark = count(con)
    people = con.execute("SELECT person, role, titles FROM kpi_top_people").fetchall()
    changes = fetch_sql(con, "publish/page_changes.sql")
    durations = con.execute(
        "SELECT type, unit, titles, minimum, median, mean, maximum FROM kpi_duration_by_type"
    ).fetchall()
    runs = fetch_sql(con, "status_runs.sql")
    return {
        "summary": fetch_sql(con, "publish/page_summary.sql")[0],
        "remark": remark,
        "cube": coded(fetch_sql(con, "publish/page_cells.sql")),
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
            + [short(row[name]) for name in ("title", "column_name", "old_value", "new_value")]
            for row in changes
        ],
        "all_changes": changes[0]["changes"] if changes else 0,
        "checks": [list(row.values()) for row in fetch_sql(con, "publish/page_checks.sql")],
        "drift": [list(row.values()) for row in fetch_sql(con, "publish/page_drift.sql")],
        "books": [list(row.values()) for row in fetch_sql(con, "publish/page_books.sql")],
        "runs": sorted(
            [row["step"], row["status"], f"{row['finished_at']:%Y-%m-%d %H:%M}", seconds(row)]
            for row in runs
        ),
    }


def count(con: DuckDBPyConnection) -> str:
    """Make the temp table page_cube, of at most MAX_CELLS rows; what the page says about it."""
    run_sql(con, "publish/page_cube.sql")
    remark = REMARK
    for settings, other in COARSER:
        if con.execute("SELECT count(*) FROM page_cube").fetchone()[0] <= MAX_CELLS:
            break
        remark = other
        run_sql(con, "publish/page_cube_coarser.sql", settings)
    return remark


def short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONG else text[:LONG] + "\u2026"


def coded(cells: list[dict[str, Any]]) -> dict[str, Any]:
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
