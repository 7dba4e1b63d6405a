"""A catalogue that is too large to be sent title by title: how many titles each combination has."""

from typing import Any

from publish.page_codes import Codes, fetch_columns, fetch_rows, rank_names, split_list
from warehouse.database import Warehouse, run_file, set_variables

MAX_CELLS = 150_000
MAX_NEWEST = 2_000  # changes of the newest snapshot that are listed
LONGEST = 300  # characters of a value
OTHER = "Other"
CELL_COLUMNS = ("year", "month", "now", "before", "new", "changed", "gone")  # sent as they are
# How the cells get coarser until they fit, and what the page says then: of a list so many countries
# and genres (0: all), years for months, decades for years; of each kind of name the `names` most
# frequent keep their own (0: all). The last level has less than MAX_CELLS cells, whatever comes.
FIRST_ONLY = {"countries": 1, "genres": 1, "yearly": True, "decades": False}
MERGED = (
    "Countries and genres are the first one named; the {names} most frequent of them and of the "
    f"ratings have their name, the rest is {OTHER}. Dates are the year"
)
LEVELS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"countries": 0, "genres": 0, "yearly": False, "decades": False, "names": 0}, ""),
    (
        {"countries": 1, "genres": 2, "yearly": True, "decades": False, "names": 0},
        "Countries are the first one named, genres the first two, dates the year.",
    ),
    (FIRST_ONLY | {"names": 60}, f"{MERGED}."),
    (FIRST_ONLY | {"names": 20}, f"{MERGED}."),
    (FIRST_ONLY | {"names": 12, "decades": True}, f"{MERGED}, release years decades."),
)
SAMPLE = 4  # one title in so many tells whether a level is too fine, at a quarter of its cost


def collect_cells(con: Warehouse, last: int) -> dict[str, Any]:
    """Collect the counted cells of a catalogue that is too large for its titles."""
    level, remark = build_cells(con)
    got = fetch_columns(
        con,
        'SELECT "type", release_year AS "year", year(added) * 12 + month(added) - 1 AS "month", '
        "rating, countries, genres, titles AS now, titles_before AS before, new_titles AS new, "
        "changed_titles AS changed, gone_titles AS gone FROM page_cells "
        'ORDER BY "type", release_year, added, rating, countries, genres',
    )
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
            "type": list(map(codes["type"], got["type"])),
            "rating": list(map(codes["rating"], got["rating"])),
            "countries": list(map(country_sets, got["countries"])),
            "genres": list(map(genre_sets, got["genres"])),
        },
        "countrySets": [list(map(codes["country"], split_list(s))) for s in country_sets.names],
        "genreSets": [list(map(codes["genre"], split_list(s))) for s in genre_sets.names],
        "newest": fetch_rows(con, "publish/page_newest.sql"),
    }


def build_cells(con: Warehouse) -> tuple[dict[str, Any], str]:
    """Make the temp table page_cells, of at most MAX_CELLS rows; return its level and remark."""
    for level, remark in LEVELS[:-1]:
        if all(count_cells(con, level, sample) <= MAX_CELLS for sample in (SAMPLE, 1)):
            return level, remark.format(**level)
    level, remark = LEVELS[-1]
    count_cells(con, level, 1)
    return level, remark.format(**level)


def count_cells(con: Warehouse, level: dict[str, Any], sample: int) -> int:
    """Make the cells of a level, of one title in `sample`, and count them."""
    settings = {f"page_{name}": value for name, value in level.items()}
    run_file(con, "publish/page_cells.sql", settings | {"page_sample": sample})
    if level["names"]:
        run_file(con, "publish/page_cells_merge.sql")
    return con.execute("SELECT count(*) FROM page_cells").fetchone()[0]
