"""Answer the business questions: a star schema over the history, and KPI views over it.

Reads:   analytics_netflix_history, analytics_netflix_current, ops_merges; sql/analytics/*.sql
Writes:  dim_*, fact_title_catalog, bridge_title_*, the kpi_* views, analytics_books; the comments
         of all tables that are published
Fails when: nothing was merged yet (exit 20), or an invariant of the star schema does not hold.

A history that was built on before costs nothing: analytics_books says from what.
"""

import sys
from pathlib import Path
from typing import Any

from config import PROJECT, SQL
from engine import DuckDBPyConnection
from errors import Refused, StepError
from files import rules_digest
from steps import Step, run_step
from warehouse import fetch_sql, has_tables, names, run_sql

SHOWN_NAMES = 5
SHOWN_LETTERS = 40
STAR = ("dim_", "fact_", "bridge_", "kpi_")

# Names that catalogues use and ISO 3166 does not: the code of the country that is meant.
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


def run(step: Step) -> None:
    con = step.con
    state = history_state(con)
    step.batch_id, step.rows_in = state["batch_id"], state["history_rows"]
    run_sql(con, "analytics/comments.sql")
    if known := built_already(con, state):
        step.rows_out = known
        step.message = f"star schema of {state['current_rows']:,} titles, as before"
        return
    build(con)
    check(con)
    state |= star_objects(con)
    run_sql(con, "analytics/books.sql", state)
    step.rows_out = facts(con)
    step.message = (
        f"{step.rows_out:,} title versions, {state['current_rows']:,} of them current, "
        f"in {state['objects']} tables and views"
    )
    report_unknown_countries(step)


def history_state(con: DuckDBPyConnection) -> dict[str, Any]:
    """What the star schema is to be built from: columns of state.sql, and the version of the rules.

    Raises Refused where there is no history.
    """
    merged = has_tables(con, "ops_merges")
    state = fetch_sql(con, "analytics/state.sql")[0] if merged else {"batch_id": None}
    if not state["batch_id"]:
        raise Refused(
            "there is no history yet to build the star schema from; nothing was changed. "
            "Run `make merge` (or `make run-all`) first."
        )
    return state | {"rules": rules_version()}


def rules_version() -> str:
    """A digest of all that decides what becomes of a history, the packages' versions among it."""
    files = sorted((SQL / "analytics").glob("*.sql"))
    return rules_digest([*files, Path(__file__), PROJECT / "requirements.txt"])


def built_already(con: DuckDBPyConnection, state: dict[str, Any]) -> int:
    """The facts there are, if all was built from this very history by these very rules; else 0."""
    if not has_tables(con, "analytics_books"):
        return 0
    now = state | star_objects(con)
    books = con.execute(f"SELECT {', '.join(now)} FROM analytics_books").fetchone()
    return facts(con) if books == tuple(now.values()) else 0


def star_objects(con: DuckDBPyConnection) -> dict[str, int]:
    """How many tables and views of the star schema there are: one that is missing is made again."""
    return {"objects": sum(name.startswith(STAR) for name in names(con))}


def facts(con: DuckDBPyConnection) -> int:
    return con.execute("SELECT count(*) FROM fact_title_catalog").fetchone()[0]


def build(con: DuckDBPyConnection) -> None:
    """The dimensions, facts, bridges and views, from the history."""
    con.execute("SET preserve_insertion_order = false")  # costs time, and nothing needs it
    if has_tables(con, "dim_title"):  # of a version before; it is a view since
        con.execute("DROP TABLE dim_title")
    run_sql(con, "analytics/prepare.sql")
    names = con.execute("SELECT country FROM catalog_countries ORDER BY country").fetchall()
    codes = country_codes([name for (name,) in names])
    run_sql(con, "analytics/country_codes.sql", {"country_codes": codes})
    for name in ("dimensions", "facts", "kpis"):
        run_sql(con, f"analytics/{name}.sql")


def country_codes(names: list[str]) -> str:
    """The names that ISO 3166 knows, with their codes, as country_codes.sql reads them."""
    known = country_index()
    rows = [(name, *known[name.casefold()]) for name in names if name.casefold() in known]
    return "".join("\x1f".join(row) + "\x1e" for row in rows)


def country_index() -> dict[str, tuple[str, ...]]:
    """Name, case folded -> (alpha-2, alpha-3, number, ISO's name, status) of ISO 3166-1 and -3.

    Where a name was a country's and is another's now, the one of today has it.
    """
    import pycountry  # only where there is something to build: 50 ms

    codes, found = {}, {}
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
    found |= {alias: codes[code] for alias, code in ALIASES.items()}
    found["West Germany"] = WEST_GERMANY
    return {name.casefold(): row for name, row in found.items()}


def check(con: DuckDBPyConnection) -> None:
    """Raises StepError where the star schema breaks an invariant."""
    invariants = fetch_sql(con, "analytics/invariants.sql")[0]
    broken = [f"{name}: {value:,}" for name, value in invariants.items() if value]
    if broken:
        raise StepError(
            f"the star schema breaks an invariant ({', '.join(broken)}); nothing was changed. "
            "This is a defect: please report it with this line."
        )


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


if __name__ == "__main__":
    sys.exit(run_step("analytics", run, reads_raw=False))
