"""Count the titles of each combination, for a catalogue too large to be sent title by title."""

from math import inf
from typing import Any

from publish.page_codes import (
    Codes,
    fetch_columns,
    fetch_rows,
    rank_names,
    split_list,
    use_main_names,
)
from warehouse.database import Warehouse, run_file, set_variables

MAX_CELLS = 150_000
MAX_NEWEST = 2_000  # changes of the newest snapshot that are listed
LONGEST = 300  # characters of a value
OTHER = "Other"
CELL_COLUMNS = ("year", "month", "now", "before", "new", "changed", "gone")  # sent as they are
# How the cells get coarser until they fit, and what the page says about it: the first countries and
# genres of a list (0: all), years for months, decades for years; the `names` most frequent names of
# each kind keep theirs (0: all). A level is tried up to a number of titles (times MAX_CELLS): with
# more it cannot fit, and a try costs a pass over all titles. The last one always fits.
FIRST_ONLY = {"countries": 1, "genres": 1, "yearly": True, "decades": False}
MERGED = (
    "Countries and genres are the first one named; the {names} most frequent of them and of the "
    f"ratings have their name, the rest is {OTHER}. Dates are the year"
)
LEVELS: tuple[tuple[float, dict[str, Any], str], ...] = (
    (3, {"countries": 0, "genres": 0, "yearly": False, "decades": False, "names": 0}, ""),
    (
        4,
        {"countries": 1, "genres": 2, "yearly": True, "decades": False, "names": 0},
        "Countries are the first one named, genres the first two, dates the year.",
    ),
    (4, FIRST_ONLY | {"names": 60}, f"{MERGED}."),
    (5, FIRST_ONLY | {"names": 20}, f"{MERGED}."),
    (inf, FIRST_ONLY | {"names": 20, "decades": True}, f"{MERGED}, release years decades."),
    (inf, FIRST_ONLY | {"names": 12, "decades": True}, f"{MERGED}, release years decades."),
)
GRAIN = ("countries", "genres", "yearly", "decades")


def collect_cells(con: Warehouse, last: int, titles: int) -> dict[str, Any]:
    """Collect the counted cells of a catalogue that is too large for its titles."""
    level, remark = build_cells(con, titles)
    got = fetch_columns(
        con,
        'SELECT "type", "year", year(added) * 12 + month(added) - 1 AS "month", '
        "rating, countries, genres, titles AS now, titles_before AS before, new_titles AS new, "
        "changed_titles AS changed, gone_titles AS gone FROM page_cells "
        'ORDER BY "type", "year", added, rating, countries, genres',
    )
    got["countries"] = tuple(use_main_names(con, got["countries"]))
    codes = rank_names(got)
    country_sets, genre_sets = Codes(), Codes()
    set_variables(con, {"page_longest": LONGEST, "page_newest": MAX_NEWEST})
    return {
        "mode": "cube",
        "first": last,
        "remark": f"So many titles come as counts. {remark}".strip(),
        "isYearly": level["yearly"],
        "merged": {
            "country": level["countries"],
            "genre": level["genres"],
            "names": level["names"],
            "decades": level["decades"],
        },
        "names": {key: code.names for key, code in codes.items()},
        "people": [],
        "ids": [],
        "rows": {
            **{name: got[name] for name in CELL_COLUMNS},
            "type": codes["type"].of(got["type"]),
            "rating": codes["rating"].of(got["rating"]),
            "countries": country_sets.of(got["countries"]),
            "genres": genre_sets.of(got["genres"]),
        },
        "countrySets": [codes["country"].of(split_list(s)) for s in country_sets.names],
        "genreSets": [codes["genre"].of(split_list(s)) for s in genre_sets.names],
        "newest": fetch_rows(con, "publish/page_newest.sql"),
    }


def build_cells(con: Warehouse, titles: int) -> tuple[dict[str, Any], str]:
    """Create the temp table page_cells of at most MAX_CELLS rows; return its level and remark."""
    made = None
    for most, level, remark in LEVELS:
        if titles > most * MAX_CELLS:
            continue
        text = remark.format(**level)
        grain = {f"page_{name}": level[name] for name in GRAIN}
        if grain != made:  # else only more names are merged
            run_file(con, "publish/page_cells.sql", grain)
            made = grain
        if level["names"]:
            run_file(con, "publish/page_cells_merge.sql", {"page_names": level["names"]})
        if con.execute("SELECT count(*) FROM page_cells").fetchone()[0] <= MAX_CELLS:
            break
    return level, text
