"""The project's SQL in the dialects of other engines: all of it can be translated.

What an engine makes of the translated SQL is tested in tests/engines.
"""

from datetime import datetime
from importlib import import_module

import duckdb
import pytest
from conftest import PROJECT, slow

from column import FORMATS
from config import SQL
from contract import load_contract
from warehouse.database import read_sql

sqlglot = pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
exp = sqlglot.exp
dialects = import_module("engines.translator")

ENGINES = ("spark", "snowflake", "bigquery")
STAY_LOCAL = ("inspect", "sample", "portable", "time_travel")
STAY_LOCAL += ("digest_snapshots", "digest_titles", "digest_versions")  # read the published copy
# How the star schema follows one merge: other engines build it in full.
STAY_LOCAL += ("take_changes", "count_changes", "renumbered_names", "invariants_changes")
STAY_LOCAL += ("contents", "contents_changed", "contents_record")
# How staging keeps rows in files: other engines have tables.
STAY_LOCAL += ("files", "lines", "match_none", "match_unchanged", "part", "records")
STAY_LOCAL += ("records_to_stage", "unstage_lines")
# How an audit looks at the newest merges alone: on other engines it looks at everything.
STAY_LOCAL += ("digest", "merges", "record", "scope", "staged")
FILES = sorted(
    path
    for path in SQL.rglob("*.sql")
    if path.stem not in STAY_LOCAL and path.parent.name not in ("publish", "mirror")
)
VARIABLES = {
    "batch_id": "20200118T000000Z-0123456789ab",
    "snapshot_at": datetime(2020, 1, 18, 3, 0, 0, 250_000),
    "rules": "r",
    "rehash": True,
    "new_columns": ["description"],
    "has_new_columns": True,
    "missing_columns": ["cast"],
    "all_columns": ["title"],
    "has_key": False,
    "left_out": "20200118T000000Z-0123456789ab",
    "attributes": ["description"],
    "has_missing_columns": True,
    "merged_batches": ["20200118T000000Z-0123456789ab"],
    "by_title": True,
    "checked_at": datetime(2020, 1, 19),
    "country_codes": "",
    "merges": "m",
    "history_rows": 1,
    "current_rows": 1,
    "objects": 1,
    "wanted": "it's",
    "last_run_status": "done",
    "freshness_days": 7,
    "max_run_age_hours": 36,
    "same_bytes_days": 5,
    "newest_title_days": 60,
    "kept_at": "x",
    "audited_at": datetime(2020, 1, 19),
    "is_history_changed": True,
}


def translator(engine: str):
    adapter = import_module(f"engines.{engine}")
    return dialects.Translator(adapter.DIALECT, adapter.rewrite)


def ready(engine: str):
    """A session in which the macros and the variables of all steps are set."""
    session = translator(engine)
    contract = load_contract(SQL / "contract.toml")
    session.variables |= VARIABLES | contract.variables
    session.variables |= {"audiences": contract.audiences, "tracked_columns": contract.tracked}
    for name in (
        "macros.sql",
        "content_hash.sql",
        "history/keep_titles.sql",
        "analytics/prepare.sql",
    ):
        list(session.statements(read_sql(name, contract.columns)))
    return session


@pytest.mark.parametrize("engine", [ENGINES[0], *slow(*ENGINES[1:])])
def test_every_sql_file_after_raw_can_be_translated(engine):
    session = ready(engine)
    assert len(FILES) > 60
    for path in FILES:
        sql = read_sql(str(path.relative_to(SQL)), load_contract(SQL / "contract.toml").columns)
        for tree in session.statements(sql):
            text = session.text(tree)
            assert not sqlglot.parse_one(text, read=session.dialect).find(exp.Placeholder), path
            for word in ("getvariable", "rowid", "clean_text", "\\x{"):
                assert word not in text.lower(), (path, word)


def test_sql_that_stays_local_is_named():
    """A new folder of SQL either travels or is left out on purpose."""
    folders = {path.parent.relative_to(PROJECT) for path in SQL.rglob("*.sql")}
    assert {str(folder) for folder in folders} == {
        "sql",
        "sql/analytics",
        "sql/audit",
        "sql/checks",
        "sql/engines",
        "sql/history",
        "sql/mirror",
        "sql/publish",
        "sql/reports",
        "sql/staging",
    }


def translated(sql: str, *values, **variables) -> list[str]:
    """Without an engine's own rewrites: in DuckDB's dialect, to see what is common to all."""
    session = dialects.Translator("duckdb", lambda tree: tree)
    session.variables |= variables
    return [session.text(tree) for tree in session.statements(sql, values)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # a macro is expanded where it is called, also in another; an operator stays together
        (
            "CREATE TEMP MACRO twice(x) AS x + x; CREATE MACRO more(y) AS twice(y) * 2; "
            "SELECT more(a * b) FROM t",
            ["SELECT (((a * b) + (a * b)) * 2) FROM t"],
        ),
        ("CREATE MACRO as_of(x) AS TABLE SELECT x", []),
        ("SET force_compression = 'fsst'; BEGIN; COMMIT; CHECKPOINT", []),
        ("COMMENT ON TABLE t IS 'x'", []),
        ("SELECT rowid FROM ops_runs", ["SELECT finished_at FROM ops_runs"]),
        # what constants decide is decided
        ("SELECT list_contains(getvariable('names'), 'a') AS x", ["SELECT TRUE AS x"]),
        ("SELECT list_contains(getvariable('names'), 'c') AND y AS x", ["SELECT FALSE AS x"]),
        ("SELECT list_contains(getvariable('none'), y) OR y AS x", ["SELECT y AS x"]),
        ("SELECT list_contains(getvariable('names'), y) AS x", ["SELECT y IN ('a', 'b') AS x"]),
        ("SELECT CASE WHEN NOT true THEN 1 WHEN true THEN 2 ELSE 3 END AS x", ["SELECT 2 AS x"]),
        (
            "SELECT CASE WHEN y THEN 1 WHEN 1 = 1 OR true THEN 2 ELSE 3 END AS x",
            ["SELECT CASE WHEN y THEN 1 ELSE 2 END AS x"],
        ),
        (
            "SELECT CAST(getvariable('at') AS VARCHAR) AS x",
            ["SELECT '2020-01-18 00:00:00.25' AS x"],
        ),
        # a character by its number is that character
        (r"SELECT '\x{E9}' || '\x41' AS x", [r"SELECT 'é\x41' AS x"]),
    ],
)
def test_duckdb_only_syntax_is_removed(sql, expected):
    at = datetime(2020, 1, 18, 0, 0, 0, 250_000)
    assert translated(sql, names=["a", "b"], none=[], at=at) == expected


def test_a_variable_has_the_value_that_was_set_last():
    session = dialects.Translator("duckdb", lambda tree: tree)
    for value in (1, 2):
        assert list(session.statements('SET VARIABLE "a" = ?', [value])) == []
    (tree,) = session.statements("SELECT getvariable('a') AS x")
    assert session.text(tree) == "SELECT 2 AS x"


def test_values_become_literals_in_their_order():
    (text,) = translated(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?)", "it's", None, 1, True, datetime(2020, 1, 18)
    )
    assert duckdb.sql(text.replace("INSERT INTO t ", "FROM (") + ")").fetchall() == [
        ("it's", None, 1, True, datetime(2020, 1, 18))
    ]


def test_an_update_from_a_source_is_a_merge_on_spark():
    session = translator("spark")
    (tree,) = session.statements("UPDATE t SET a = s.b FROM s WHERE t.x = s.x AND t.y")
    assert session.text(tree) == (
        "MERGE INTO t USING s ON t.x = s.x AND t.y WHEN MATCHED THEN UPDATE SET a = s.b"
    )


DATES = """September 25, 2021|september 5, 2021|SEP 5, 2021|Sept 5, 2021|September 25,2021|May 5, 21
2021-9-5|2021-09-05|21-09-05|1-1-1|9999-12-31|12021-01-01|2021-13-01|2021-02-30|2020-02-29|2021-00-10
25-Sep-21|5-sep-21|25-September-21|25-Sep-2021|25-Sep-69|25-Sep-68|25-Sep-5|29-Feb-20|29-Feb-21
25 September 2021|5 May 2021|5 Sep 2021|05 may 21|0 May 2021|32 May 2021|May 0, 2021|00-May-21
May 5, 2021x|Mayo 5, 2021|2021-09-05 00:00:00|-2021-01-01|May 5, -2021|May 5, 10000|May 5 , 2021
September 025, 2021|September 25, 02021|Foo 5, 2021|5 Foo 2021|5-Foo-21|2021|May|, 2021|25 1 2021
1 January 2021|2 February 2021|3 March 2021|4 April 2021|6 June 2021|7 July 2021|8 August 2021
9 October 2021|9 November 2021|9 December 2021|Jan 1, 2021|Feb 1, 2021|Mar 1, 2021|Apr 1, 2021
Jun 1, 2021|Jul 1, 2021|Aug 1, 2021|Oct 1, 2021|Nov 1, 2021|Dec 1, 2021|1-Jan-21|1-Feb-21|1-Mar-21
1-Apr-21|1-Jun-21|1-Jul-21|1-Aug-21|1-Oct-21|1-Nov-21|1-Dec-21""".replace("\n", "|").split("|")


FORMS = ("%d/%m/%Y", "%m/%d/%y", "%B %d, %y", "%Y-%m-%d %H:%M:%S", "%A, %d %b %Y", "%d.%m.%Y")
MORE_DATES = """25/9/2021|09/25/21|9/25/21|January 5, 21|2021-09-05 00:00:00|25.09.2021|13/13/2021
Saturday, 25 Sep 2021|5.9.21|1/1/1899|1/1/1900|May 5, 1899|2021-1-1 23:59:59""".replace("\n", "|")


@pytest.mark.parametrize("forms", [FORMATS, FORMS])
def test_the_portable_dates_are_those_of_duckdb(forms):
    session = dialects.Translator("duckdb", lambda tree: tree)
    short = [form for form in forms if "%y" in form]
    session.variables |= {"formats_day": list(forms)}
    texts = [*DATES, *MORE_DATES.split("|"), "", None]
    query = "SELECT text, parse_date(text, 'day') AS day FROM texts"
    (tree,) = session.statements(query)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE texts AS SELECT unnest(CAST(? AS VARCHAR[])) AS text", [texts])
        for name, given in (("formats_day", list(forms)), ("short_formats_day", short)):
            con.execute(f"SET VARIABLE {name} = CAST(? AS VARCHAR[])", [given])
        con.execute((SQL / "macros.sql").read_text(encoding="utf-8"))
        known = con.execute(query).fetchall()
        assert con.execute(session.text(tree)).fetchall() == known
    assert sum(day is not None for _, day in known) > 10
    assert min(day for _, day in known if day).year >= 1900


def test_the_portable_list_members_are_those_of_duckdb():
    """But for their order, which DuckDB's list_distinct does not keep."""
    with duckdb.connect() as con:
        found = []
        for name in ("analytics/prepare.sql", "engines/portable.sql"):
            con.execute(
                "CREATE OR REPLACE TABLE analytics_netflix_history AS "
                "SELECT '' AS country, NULL AS valid_from"
            )
            con.execute((SQL / name).read_text(encoding="utf-8"))
            found.append(
                con.execute("SELECT list_sort(list_members('b, a, b, c, a'))").fetchone()[0]
            )
    assert found == [["a", "b", "c"], ["a", "b", "c"]]
