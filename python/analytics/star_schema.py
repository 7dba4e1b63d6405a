"""Build the star schema over the history, the KPI views over it, and the countries' ISO codes."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from column import CANONICAL, Column
from config import PROJECT, SQL
from contract import Contract
from errors import NotReady, StepError
from runner.files import fingerprint
from runner.step import Step
from warehouse.database import (
    Warehouse,
    fetch_file,
    has_tables,
    identifier,
    run_file,
    table_names,
)

# Names that catalogues use and ISO 3166 does not -> the code of the country.
ALIASES = {
    "Burma": "MM",
    "Cape Verde": "CV",
    "East Germany": "DDDE",
    "East Timor": "TL",
    "Holy See": "VA",
    "Ivory Coast": "CI",
    "Macau": "MO",
    "Macedonia": "MK",
    "Micronesia": "FM",
    "Palestine": "PS",
    "Republic of the Congo": "CG",
    "Russia": "RU",
    "Soviet Union": "SUHH",
    "Swaziland": "SZ",
    "Turkey": "TR",
    "UK": "GB",
    "Vatican City": "VA",
}
# ISO 3166-3 lists no West Germany, as the codes DE and DEU went on; its own number, 280, did not.
WEST_GERMANY = ("DE", "DEU", "280", "Germany, Federal Republic of", "historic")


def find_country_codes(names: list[str]) -> str:
    """Return the names that ISO 3166 knows, with their codes, as country_codes.sql reads them."""
    known = build_country_index()
    rows = [(name, *known[name.casefold()]) for name in names if name.casefold() in known]
    return "".join("\x1f".join(row) + "\x1e" for row in rows)


def build_country_index() -> dict[str, tuple[str, ...]]:
    """Return folded name -> (alpha-2, alpha-3, number, ISO's name, status) of ISO 3166-1 and -3.

    A name that was a country's and is now another's means today's.
    """
    import pycountry  # only if there is something to build: 50 ms

    codes: dict[str, tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    row: tuple[str, ...]
    for country in pycountry.historic_countries:
        codes[country.alpha_4] = row = (
            country.alpha_2,
            country.alpha_3,
            getattr(country, "numeric", ""),  # those withdrawn in the seventies never had one
            country.name,
            "historic",
        )
        # "Czechoslovakia, Czechoslovak Socialist Republic"
        found |= dict.fromkeys((country.name.split(",")[0], country.name, country.alpha_4), row)
    for country in pycountry.countries:
        codes[country.alpha_2] = row = (
            country.alpha_2,
            country.alpha_3,
            country.numeric,
            country.name,
            "current",
        )
        names = [getattr(country, name, None) for name in ("common_name", "official_name")]
        names += [country.name, country.alpha_2, country.alpha_3]
        found |= dict.fromkeys(filter(None, names), row)
    for row in codes.values():  # SU is the Soviet Union, as no country has that code today
        found.setdefault(row[0], row)
    found |= {alias: codes[code] for alias, code in ALIASES.items()}
    found["West Germany"] = WEST_GERMANY
    return {name.casefold(): row for name, row in found.items()}


SHOWN_NAMES = 5
SHOWN_LETTERS = 40
STAR = ("dim_", "fact_", "bridge_", "sums_", "kpi_")
TABLES = (  # without the views over them
    "dim_date", "dim_country_name", "dim_country", "dim_genre", "dim_rating", "dim_person",
    "fact_title_catalog", "bridge_title_country", "bridge_title_genre", "bridge_title_cast",
    "bridge_title_director", "sums_title_country", "sums_title_genre", "sums_title_person",
)  # fmt: skip
BUILT_FROM = ("batch_id", "merges", "rules", "history_rows", "current_rows")


def read_history_state(con: Warehouse, contract: Contract) -> dict[str, Any]:
    """Return what to build the star schema from: columns of state.sql, and the rules' fingerprint.

    Raises NotReady if there is no history.
    """
    merged = has_tables(con, "ops_merges")
    state = fetch_file(con, "analytics/state.sql")[0] if merged else {"batch_id": None}
    if not state["batch_id"]:
        raise NotReady(
            "there is no history yet to build the star schema from. "
            "Run `make merge` (or `make run-all`) first."
        )
    return state | {"rules": analytics_fingerprint(contract)}


def analytics_fingerprint(contract: Contract) -> str:
    """Return a fingerprint of all that decides on the star schema, with the packages' versions."""
    rules = [*(SQL / "analytics").glob("*.sql"), *Path(__file__).parent.glob("*.py")]
    extra = [(c.name, c.description) for c in contract.columns if c.name not in CANONICAL]
    words = f"{contract.audiences}{extra or ''}{duckdb.__version__}"  # its hash() may be another
    return fingerprint([*sorted(rules), PROJECT / ".ci/locks/requirements.lock"], words)


def find_built(con: Warehouse, state: dict[str, Any]) -> int:
    """Return the number of facts if they were built from this history by these rules, else 0."""
    if not has_tables(con, "analytics_build"):
        return 0
    now = {name: state[name] for name in BUILT_FROM} | count_star_objects(con)
    return count_facts(con) if read_built_state(con, now) == now else 0


def has_comments(con: Warehouse, state: dict[str, Any]) -> bool:
    """Return whether tables have their comments, by these rules; 06 may recreate the history."""
    if not con.has_transactions or not has_tables(con, "analytics_build"):
        return False
    con.execute(
        "SELECT count(comment) FROM duckdb_tables() WHERE table_name = 'analytics_netflix_history'"
    )
    return con.fetchone() == (1,) and read_built_state(con, ["rules"]) == {"rules": state["rules"]}


def read_built_state(con: Warehouse, names: Iterable[str]) -> dict[str, Any]:
    """Return these columns of the record of the last build."""
    row = con.execute(f"SELECT {', '.join(names)} FROM analytics_build").fetchone()
    return dict(zip(names, row or (), strict=False))


def count_star_objects(con: Warehouse) -> dict[str, int]:
    """Count the tables and views of the star schema: if one is missing, all is rebuilt."""
    return {"objects": sum(name.startswith(STAR) for name in table_names(con))}


def count_facts(con: Warehouse) -> int:
    return con.execute("SELECT count(*) FROM fact_title_catalog").fetchone()[0]


def build_star_schema(con: Warehouse, audiences: str, columns: Sequence[Column]) -> None:
    """Build all dimensions, facts, bridges, sums and views; `audiences` as in Contract."""
    con.execute("SET preserve_insertion_order = false")  # costs time, and nothing needs it
    if has_tables(con, "dim_title"):  # a table in older versions, now a view
        con.execute("DROP TABLE dim_title")
    con.execute("DROP TABLE IF EXISTS analytics_books")  # analytics_build in older versions
    drop_changes(con)
    for name in ("prepare", "take_all"):
        run_file(con, f"analytics/{name}.sql")
    fill_dimensions(con, audiences)
    for name in ("facts", "count_all", "sums"):
        run_file(con, f"analytics/{name}.sql")
    for name in ("dim_title", "kpis"):
        run_file(con, f"analytics/{name}.sql", columns=columns)
    for name in find_dropped_kpis(con):
        con.execute(f"DROP VIEW {identifier(name)}")


def drop_changes(con: Warehouse) -> None:
    """Drop star_changes: a view in a full build, a table in an update by one merge."""
    for name, is_view in con.objects():
        if name == "star_changes":
            con.execute(f"DROP {'VIEW' if is_view else 'TABLE'} star_changes")


def fill_dimensions(con: Warehouse, audiences: str) -> None:
    """Rebuild the small dimensions, and add new people."""
    names = [n for (n,) in con.execute("SELECT country FROM catalog_countries").fetchall() if n]
    if "NA" in names and fetch_file(con, "analytics/missing_as_na.sql")[0]["versions"]:
        names.remove("NA")  # Namibia, unless it means a missing value elsewhere
    codes = find_country_codes(sorted(names))
    run_file(con, "analytics/country_codes.sql", {"country_codes": codes, "audiences": audiences})
    run_file(con, "analytics/dimensions.sql")


def find_dropped_kpis(con: Warehouse) -> list[str]:
    """Find the kpi_ views that kpis.sql no longer creates."""
    text = (SQL / "analytics/kpis.sql").read_text(encoding="utf-8")
    made = set(re.findall(r"VIEW (kpi_\w+)", text))
    views = [name for name, is_view in con.objects() if is_view and name.startswith("kpi_")]
    return sorted(set(views) - made)


def check_invariants(con: Warehouse, *names: str) -> None:
    """Raise StepError if the star schema breaks an invariant of these files."""
    if broken := find_broken(con, *names):
        raise StepError(
            f"the star schema breaks an invariant ({broken}). "
            "This is a defect: please report it with this line."
        )


def find_broken(con: Warehouse, *names: str) -> str:
    """Return the columns that are not zero in the one row of each of these files."""
    rows = [fetch_file(con, f"analytics/{name}.sql")[0] for name in names]
    return ", ".join(f"{name}: {value:,}" for row in rows for name, value in row.items() if value)


def report_unknown_countries(step: Step) -> None:
    rows = step.con.execute(
        "SELECT country FROM dim_country WHERE status = 'unknown' ORDER BY country_key"
    ).fetchall()
    if rows:
        names = ", ".join(repr(name[:SHOWN_LETTERS]) for (name,) in rows[:SHOWN_NAMES])
        step.note(
            f"{len(rows):,} country name(s) are not in ISO 3166: {names}"
            + (", ..." if len(rows) > SHOWN_NAMES else "")
            + "; see dim_country, status unknown"
        )
