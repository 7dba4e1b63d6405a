"""Collect the page's data as one object: page/README.md has its shape, FORMAT is its version.

It is read from the published copy, so that page and database agree. A catalogue of up to
MAX_VERSIONS titles is sent title by title, a larger one as counted cells of the same columns.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from config import SQL, Settings
from publish.page_cells import LONGEST, collect_cells
from publish.page_codes import (
    Codes,
    fetch_columns,
    fetch_rows,
    rank_names,
    split_list,
    use_main_names,
)
from warehouse.database import Warehouse, fetch_file, run_file, set_variables

FORMAT = 2
WORLD = Path(__file__).resolve().parent / "page" / "world.json"
MAX_VERSIONS = 25_000  # of titles, 41 to 50 bytes of the page each
MAX_PEOPLE, FROM_TITLES = 4_000, 3  # people in fewer titles cannot be chosen
MAX_CHANGES = 10_000  # of fields
# Columns of page_versions.sql that are sent as they are.
COPIED = (
    "show_id", "since", "until", "operation", "is_gone", "year", "added", "length", "title", "line",
)  # fmt: skip
STEPS = ("raw", "load", "schema", "staging", "merge", "monitor", "analytics", "publish")
ONCE = (
    "A title of three countries counts once in totals, and once in each of its countries; so do "
    "genres and people."
)


def collect(con: Warehouse, sources: dict[str, str], settings: Settings) -> dict[str, Any]:
    """Collect all that the page shows; `sources` names the file of each batch."""
    run_file(con, "publish/page_snapshots.sql")
    snapshots = con.execute(
        "SELECT snapshot_at, new_titles, updated, deleted, moved, current_rows, batch_id, "
        "versions_since FROM page_snapshots ORDER BY snapshot"
    ).fetchall()
    columns = map(list, zip(*snapshots, strict=True))
    at, new, changed, gone, moved, titles, batches, versions = columns
    content = {
        "format": FORMAT,
        "snapshots": {
            "at": [time.replace(".000000Z", "Z") for time in at],
            "new": new,
            "changed": changed,
            "gone": gone,
            "moved": moved,
            "titles": titles,
            "batch": batches,
            "source": [sources.get(batch, "") for batch in batches],
        },
        "world": json.loads(WORLD.read_text(encoding="utf-8")),
        **collect_records(con, settings),
    }
    if titles[-1] > MAX_VERSIONS:
        cells = collect_cells(con, len(snapshots) - 1, titles[-1])
        return content | cells | {"remark": f"{cells['remark']} {ONCE}"}
    first = next(number for number, count in enumerate(versions) if count <= MAX_VERSIONS)
    return content | collect_titles(con, first)


def collect_records(con: Warehouse, settings: Settings) -> dict[str, Any]:
    """Collect runs, audits, measurements, and what is known of names."""
    checks = fetch_file(con, "publish/page_checks.sql")
    metrics = {row["metric"]: row for row in fetch_file(con, "publish/page_metrics.sql")}
    runs = {row["step"]: row for row in fetch_file(con, "reports/status_runs.sql")}
    names = fetch_file(con, "publish/page_names.sql")
    measured = measure_ages(con, settings)
    ways_out = read_notes("way_out")
    audited_at = runs["monitor"]["finished_at"] if "monitor" in runs else None
    return {
        "audit": {
            "at": f"{audited_at:%Y-%m-%dT%H:%M:%SZ}" if audited_at else None,
            "checks": [
                {
                    "name": row["check_name"],
                    "outcome": row["outcome"],
                    "rows": row["row_count"],
                    "description": row["description"],
                    "trail": row["trail"],
                    "measured": measured.get(row["check_name"]),
                    "wayOut": ways_out.get(row["check_name"]),
                }
                for row in checks
            ],
            "failures": fetch_rows(con, "publish/page_failures.sql"),
        },
        "completeness": [
            [name.removeprefix("null_pct:"), row["value"], row["before"]]
            for name, row in metrics.items()
            if name.startswith("null_pct:") and row["value"] is not None
        ],
        "counts": {
            "set_aside": int(metrics["quarantined"]["value"] or 0)
            if "quarantined" in metrics
            else 0
        },
        "runs": [
            [
                step,
                runs[step]["status"],
                round((runs[step]["finished_at"] - runs[step]["started_at"]).total_seconds(), 3),
            ]
            for step in STEPS
            if step in runs
        ],
        "drift": fetch_rows(con, "publish/page_drift.sql"),
        "audiences": {
            row["name"]: [row["value"], row["position"]] for row in names if row["kind"] == "rating"
        },
        "iso": {row["name"]: row["value"] for row in names if row["kind"] == "country"},
    }


def measure_ages(con: Warehouse, settings: Settings) -> dict[str, str]:
    """Measure what the checks with a limit look at, even if they pass, at the last audit's time.

    With an impossible limit each of them finds its row.
    """
    (checked_at,) = con.execute("SELECT arg_max(checked_at, rowid) FROM ops_checks").fetchone()
    set_variables(con, {"checked_at": checked_at})
    found = {}
    for check, limit in read_notes("limit").items():
        set_variables(con, {limit: -1_000_000})
        for row in fetch_file(con, f"checks/{check}.sql")[:1]:
            shown = row | {[*row][-1]: getattr(settings, limit)}
            found[check] = ", ".join(map("{}={}".format, shown, shown.values()))
    return found


def read_notes(name: str) -> dict[str, str]:
    """Read a note of each check that has it, such as `-- way_out: ...`, from the checks' files."""
    found = {}
    for path in sorted((SQL / "checks").glob("*.sql")):
        if note := re.search(rf"^-- {name}: (.+)$", path.read_text("utf-8"), re.MULTILINE):
            found[path.stem] = note[1]
    return found


def collect_titles(con: Warehouse, first: int) -> dict[str, Any]:
    """Collect the versions of every title since the snapshot `first`, as columns of codes."""
    limits = {"page_first": first, "page_longest": LONGEST, "page_changes": MAX_CHANGES}
    set_variables(con, limits)
    got = fetch_columns(con, (SQL / "publish/page_versions.sql").read_text(encoding="utf-8"))
    got["countries"] = tuple(use_main_names(con, got["countries"]))
    codes = rank_names(got)
    casts = [split_list(text) for text in got["cast"]]
    people = rank_people(con, casts, [split_list(text) for text in got["director"]])
    title_no, country_sets, genre_sets, director_sets = Codes(), Codes(), Codes(), Codes()
    fields = Codes()

    def people_in(names: list[str]) -> list[int]:
        return [code for code in map(people.get, names) if code is not None]

    columns = {
        **{name: got[name] for name in COPIED},
        "title_no": title_no.of(got["title_id"]),
        "type": codes["type"].of(got["type"]),
        "rating": codes["rating"].of(got["rating"]),
        "countries": country_sets.of(got["countries"]),
        "genres": genre_sets.of(got["genres"]),
        "directors": [-1 if text is None else director_sets[text] for text in got["director"]],
        "cast": list(map(people_in, casts)),
    }
    feed = fetch_rows(con, "publish/page_feed.sql")
    return {
        "mode": "titles",
        "first": first,
        "remark": f"{ONCE} People are those of {FROM_TITLES} titles or more.",
        "names": {key: code.names for key, code in codes.items()},
        "people": people.names,
        "ids": title_no.names,
        "countrySets": [codes["country"].of(split_list(s)) for s in country_sets.names],
        "genreSets": [codes["genre"].of(split_list(s)) for s in genre_sets.names],
        "directors": director_sets.names,
        "directorPeople": [people_in(split_list(text)) for text in director_sets.names],
        "repairs": {row: text for row, text in enumerate(got["repairs"]) if text},
        "feed": {
            "snapshot": [row[0] for row in feed],
            "title_no": [title_no[row[1]] for row in feed],
            "field": [fields[row[2]] for row in feed],
            "before": [row[3] for row in feed],
            "after": [row[4] for row in feed],
        },
        "fields": fields.names,
        "rows": columns,
    }


def rank_people(con: Warehouse, casts: Sequence, directors: Sequence) -> Codes:
    """Assign codes to the people of three titles or more, and all that kpi_top_people names."""
    counter = Counter(chain.from_iterable((*casts, *directors)))
    often = [name for name, number in counter.items() if number >= FROM_TITLES]
    people = Codes(sorted(often, key=lambda name: (-counter[name], name))[:MAX_PEOPLE])
    for (name,) in con.execute("SELECT DISTINCT person FROM kpi_top_people ORDER BY 1").fetchall():
        people[name]  # assigns a code if it has none
    return people
