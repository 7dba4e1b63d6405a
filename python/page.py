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
from warehouse import fetch_sql

ASSETS = Path(__file__).resolve().parent / "assets"
MAX_CELLS = 40_000  # combinations in the cube: about 1.5 MB of the page
DETAILS = {
    2: "A title of three countries counts once in totals and once in each country's row.",
    1: "So many titles: countries are the first one named, genres the first two, dates the year.",
    0: "So many titles: countries are the first one named, no genres, dates the year.",
}
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


def content(con: DuckDBPyConnection) -> dict[str, Any]:
    """All that the page shows: the cube as columns of codes, tables as lists of rows."""
    for detail in DETAILS:
        con.execute("SET VARIABLE detail = ?", [detail])
        cells = fetch_sql(con, "publish/page_cube.sql")
        if len(cells) <= MAX_CELLS:
            break
    people = con.execute("SELECT person, role, titles FROM kpi_top_people").fetchall()
    changes = fetch_sql(con, "publish/page_changes.sql")
    durations = con.execute(
        "SELECT type, unit, titles, minimum, median, mean, maximum FROM kpi_duration_by_type"
    ).fetchall()
    runs = fetch_sql(con, "status_runs.sql")
    return {
        "summary": fetch_sql(con, "publish/page_summary.sql")[0],
        "remark": DETAILS[detail],
        "cube": coded(cells),
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
        "books": [list(row.values()) for row in fetch_sql(con, "publish/page_books.sql")],
        "runs": sorted(
            [row["step"], row["status"], f"{row['finished_at']:%Y-%m-%d %H:%M}", row["seconds"]]
            for row in runs
        ),
    }


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
        "titles": [cell["titles"] for cell in cells],
    }
    return {"names": {key: list(found) for key, found in names.items()}, **columns}
