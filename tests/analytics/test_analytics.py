"""Step 08: the star schema, the KPI views over it, and the invariants that hold it together."""

import io
import shutil
from datetime import date, datetime, timedelta
from itertools import chain

import duckdb
import pandas
import pytest
from conftest import CHAIN, COLUMNS, PROJECT, Pipeline, catalogue, title

import config
from analytics import star_schema
from warehouse import database

STEP = "08_build_analytics"
TO_HISTORY = CHAIN[:-1]
TABLES = (
    "analytics_build", "analytics_contents", "bridge_title_cast", "bridge_title_country",
    "bridge_title_director", "bridge_title_genre", "dim_country", "dim_country_name", "dim_date",
    "dim_genre", "dim_person", "dim_rating", "dim_title", "fact_title_catalog",
    "sums_title_country", "sums_title_genre", "sums_title_person",
)  # fmt: skip
KPIS = {
    "kpi_movies_vs_tv": "type titles share_pct",
    "kpi_titles_by_year": "release_year type titles total_titles total_growth_pct",
    "kpi_titles_by_country": "country iso_alpha2 iso_alpha3 iso_numeric titles weighted_titles",
    "kpi_titles_by_rating": "rating audience rating_order titles",
    "kpi_top_genres": "genre titles weighted_titles",
    "kpi_genres_over_time": "year_added genre titles",
    "kpi_country_recent_growth": "country recent_titles earlier_titles growth_pct",
    "kpi_catalog_changes": "batch_id snapshot_at inserted reappeared updated deleted unchanged "
    "filled carried current_titles",
    "kpi_last_changes": "operation title_id title column_name old_value new_value",
    "kpi_additions_by_month": "month type titles",
    "kpi_duration_by_type": "type unit titles minimum median mean maximum",
    "kpi_top_people": "person role titles",
}
LISTS = ("director", "cast", "country", "listed_in")
AUDIENCES = {
    "kids": ["TV-Y", "G", "TV-G"],
    "older kids": ["TV-Y7", "TV-Y7-FV", "PG", "TV-PG"],
    "teens": ["PG-13", "TV-14"],
    "adults": ["R", "TV-MA", "NC-17"],
}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory, loaded_once):
    """The pipeline of 40 titles with its star schema, for tests to read or copy."""
    built = Pipeline(tmp_path_factory.mktemp("built")).copy_of(loaded_once)
    result = built.step(STEP)
    assert result.returncode == 0, result.stderr
    return built


def build(pipeline, *snapshots, **settings):
    """Land and merge each list of records as a snapshot of its day; return the result of 08."""
    for day, records in enumerate(snapshots, 1):
        result = pipeline.land(catalogue(*records), SNAPSHOT_AT=f"2022-01-0{day}", **settings)
        assert result.returncode == 0, result.stderr
        result = pipeline.step("06_merge_cdc", **settings)
        assert result.returncode == 0, result.stderr
    return pipeline.step(STEP, **settings)


# --- the numbers of the real files, computed a second time, with pandas -------------------------


def records_of(path) -> pandas.DataFrame:
    """The cleaned titles of a catalogue file, lists as lists, what is missing as None."""
    lines = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252"))
    text = io.StringIO("".join(lines).removeprefix("\ufeff"), newline="")
    found = pandas.read_csv(text, dtype=str, keep_default_na=False)[list(COLUMNS)]
    for name in COLUMNS:
        found[name] = found[name].str.normalize("NFC").str.split().str.join(" ")
    shifted = found["rating"].str.fullmatch(r"\d+ ([Mm]in|[Ss]easons?)") & (found["duration"] == "")
    found.loc[shifted, "duration"] = found.loc[shifted, "rating"]
    found.loc[shifted, "rating"] = ""
    for name in LISTS:
        found[name] = found[name].map(
            lambda value: list(dict.fromkeys(filter(None, map(str.strip, value.split(",")))))
        )
    forms = ("%B %d, %Y", "%d-%b-%y", "%Y-%m-%d")
    tried = [
        pandas.to_datetime(found["date_added"], format=form, errors="coerce") for form in forms
    ]
    found["added"] = tried[0].fillna(tried[1]).fillna(tried[2])
    return found


def rows_of(frame: pandas.DataFrame) -> set[tuple]:
    """The rows as Python's own values, with None for what is missing and dates for days."""

    def plain(value):
        if pandas.isna(value):
            return None
        if isinstance(value, pandas.Timestamp):
            return value.date()
        return value.item() if hasattr(value, "item") else value

    return {tuple(map(plain, row)) for row in frame.itertuples(index=False)}


def expected_kpis(titles: pandas.DataFrame) -> dict[str, set]:
    """All views but the two on changes, as sets of rows; without the ISO codes."""

    def members(column: str) -> pandas.DataFrame:
        """A row per title and member of its list, Unknown for none, with the member's weight."""
        lists = titles[column].map(lambda names: names or ["Unknown"])
        one = titles.assign(**{column: lists}, weight=1 / lists.str.len())
        return one.explode(column)

    def weighted(column: str) -> set[tuple]:
        found = members(column).groupby(column)["weight"].agg(["size", "sum"]).reset_index()
        return rows_of(found.assign(sum=found["sum"].round(4)))

    types = titles["type"].value_counts().rename("titles").reset_index()
    years = titles.assign(year=titles["release_year"].astype(int))
    ratings = titles["rating"].replace("", "Unknown").value_counts().rename("n").reset_index()
    order = {rating: n for n, rating in enumerate(chain(*AUDIENCES.values()), 1)}
    order |= {"NR": 13, "UR": 14, "Unknown": 99}
    audience = {rating: name for name, group in AUDIENCES.items() for rating in group}
    ratings["audience"] = ratings["rating"].map(lambda name: audience.get(name, "unrated"))
    ratings["place"] = ratings["rating"].map(lambda name: order.get(name, 90))
    genres = members("listed_in").assign(year=lambda one: one["added"].dt.year.astype("Int64"))
    months = titles.assign(month=titles["added"].dt.to_period("M").dt.to_timestamp())

    dated = members("country").dropna(subset="added")
    # a few stray dates do not count
    last = titles["added"].quantile(0.999, interpolation="higher")
    starts = [last - pandas.DateOffset(years=number) for number in (1, 2)]
    growth = pandas.DataFrame(
        {
            "recent": dated[dated["added"] > starts[0]].groupby("country").size(),
            "earlier": dated[dated["added"].between(starts[1], starts[0], inclusive="right")]
            .groupby("country")
            .size(),
        }
    ).fillna(0)
    growth = growth.astype(int)
    earlier = growth["earlier"].where(growth["earlier"] > 0)
    growth["pct"] = (100 * (growth["recent"] - growth["earlier"]) / earlier).round(1)

    parts = titles["duration"].str.extract(r"^(?P<number>\d+) (?P<unit>\w)")
    durations = titles.assign(
        unit=parts["unit"].str.lower().map({"m": "minutes", "s": "seasons"}).fillna("unknown"),
        number=parts["number"].astype(float),
    )
    durations = durations.groupby(["type", "unit"])["number"].agg(
        titles="size", minimum="min", median="median", mean="mean", maximum="max"
    )
    durations["mean"] = durations["mean"].round(2)

    by_year = years.groupby(["year", "type"]).size().reset_index(name="n")
    totals = years.groupby("year").size()
    by_year["total"] = by_year["year"].map(totals)
    before = (by_year["year"] - 1).map(totals)
    by_year["growth"] = (100 * (by_year["total"] - before) / before).round(1)

    people = set()
    for role in ("cast", "director"):
        counted = titles[role].explode().dropna().value_counts().rename("n").reset_index()
        first = counted.sort_values(["n", role], ascending=[False, True], kind="stable")[:100]
        people |= {(person, role, int(n)) for person, n in first.itertuples(index=False)}
    return {
        "kpi_movies_vs_tv": rows_of(
            types.assign(share=(100 * types["titles"] / len(titles)).round(2))
        ),
        "kpi_titles_by_year": rows_of(by_year),
        "kpi_titles_by_country": weighted("country"),
        "kpi_titles_by_rating": rows_of(ratings[["rating", "audience", "place", "n"]]),
        "kpi_top_genres": weighted("listed_in"),
        "kpi_genres_over_time": rows_of(
            genres.groupby(["year", "listed_in"], dropna=False).size().reset_index()
        ),
        "kpi_country_recent_growth": rows_of(growth.reset_index()),
        "kpi_additions_by_month": rows_of(
            months.groupby(["month", "type"], dropna=False).size().reset_index()
        ),
        "kpi_duration_by_type": rows_of(durations.reset_index()),
        "kpi_top_people": people,
    }


def assert_same_rows(found: list[tuple], expected: set[tuple], view: str) -> None:
    """Compare rows; numbers may differ in the last rounded digit."""

    def key(row):
        return [str(value) for value in row if not isinstance(value, float)]

    found, expected = sorted(found, key=key), sorted(expected, key=key)
    assert len(found) == len(expected), view
    for row, wanted in zip(found, expected, strict=True):
        for value, other in zip(row, wanted, strict=True):
            if isinstance(value, float) and isinstance(other, float):
                assert abs(value - other) < 0.00011, (view, row, wanted)
            else:
                assert value == other, (view, row, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["netflix_titles.csv", "netflix_titles_2020-01.csv"])
def test_the_kpis_of_a_real_file_equal_those_computed_with_pandas(pipeline, real_data, file):
    source = str(real_data / file)
    result = pipeline.steps(*TO_HISTORY, STEP, NETFLIX_CSV=source)
    assert result.returncode == 0, result.stderr
    titles = records_of(real_data / file)
    for view, expected in expected_kpis(titles).items():
        columns = [name for name in KPIS[view].split() if not name.startswith("iso_")]
        found = pipeline.query(f"SELECT {', '.join(columns)} FROM {view}")
        assert_same_rows(found, expected, view)
    batch = pipeline.batches()[0]
    assert pipeline.query("FROM kpi_catalog_changes") == [
        (
            batch["batch_id"],
            datetime.fromisoformat(batch["snapshot_at"]).replace(tzinfo=None),
            *(len(titles), 0, 0, 0, 0, 0, 0, len(titles)),
        )
    ]
    assert pipeline.query("SELECT country FROM dim_country WHERE status = 'unknown'") == []


@pytest.mark.slow
def test_the_real_countries_have_their_codes(pipeline, real_data):
    result = pipeline.steps(*TO_HISTORY, STEP, NETFLIX_CSV=str(real_data / "netflix_titles.csv"))
    assert result.returncode == 0, result.stderr
    codes = {
        row[0]: row[1:]
        for row in pipeline.query(
            "SELECT country, iso_alpha2, iso_alpha3, iso_numeric, status FROM dim_country"
        )
    }
    assert len(codes) == 122
    assert {name: codes[name] for name in codes if codes[name][3] == "historic"} == {
        "East Germany": ("DD", "DDR", "278", "historic"),
        "Soviet Union": ("SU", "SUN", "810", "historic"),
        "West Germany": ("DE", "DEU", "280", "historic"),
    }
    for name, code in {
        "Russia": ("RU", "RUS", "643"),
        "South Korea": ("KR", "KOR", "410"),
        "Georgia": ("GE", "GEO", "268"),
        "Turkey": ("TR", "TUR", "792"),
        "Vatican City": ("VA", "VAT", "336"),
        "Czech Republic": ("CZ", "CZE", "203"),
        "Australia": ("AU", "AUS", "036"),
        "Palestine": ("PS", "PSE", "275"),
    }.items():
        assert codes[name] == (*code, "current"), name


# --- the schema --------------------------------------------------------------------------------


def test_every_table_view_and_column_has_a_comment_and_the_promised_names(built_once):
    comments = built_once.query(
        "SELECT table_name, NULL, comment FROM duckdb_tables() UNION ALL "
        "SELECT view_name, NULL, comment FROM duckdb_views() WHERE NOT internal UNION ALL "
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    )
    own = [row for row in comments if row[0] in TABLES or row[0] in KPIS]
    assert {row[0] for row in own} == {*TABLES, *KPIS}
    assert [row for row in own if not row[2]] == []
    for view, columns in KPIS.items():
        found = built_once.query(
            "SELECT column_name FROM duckdb_columns() "
            f"WHERE table_name = '{view}' ORDER BY column_index"
        )
        assert [name for (name,) in found] == columns.split(), view


@pytest.mark.parametrize(
    "lost",
    [
        "COMMENT ON TABLE analytics_netflix_history IS NULL",  # 06 created it again
        "COMMENT ON VIEW analytics_netflix_current IS NULL",
        "UPDATE analytics_build SET rules = 'older'; COMMENT ON TABLE ops_runs IS 'as it was'",
    ],
)
def test_a_comment_that_was_lost_or_is_of_other_rules_comes_back(pipeline, built_once, lost):
    query = (
        "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    )
    pipeline.copy_of(built_once)
    before = pipeline.query(query)
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute(lost)
    assert pipeline.query(query) != before
    assert pipeline.step(STEP).returncode == 0
    assert pipeline.query(query) == before


def test_nothing_but_its_own_tables_is_written(loaded_once, built_once):
    own = " ".join((*TABLES, *KPIS, "ops_runs"))
    assert built_once.tables(own) == loaded_once.tables(own)
    assert built_once.digests() == loaded_once.digests()


def test_a_title_in_three_countries_counts_once_in_totals_and_once_for_each(pipeline):
    result = build(
        pipeline,
        [
            title(1, country="Norway, Chad, Peru"),
            title(2, country="Norway"),
            title(3, country=""),
            title(4, country="Norway, Peru, Norway"),  # named twice: one member, not two
        ],
    )
    assert result.returncode == 0, result.stderr
    assert pipeline.query("SELECT sum(titles) FROM kpi_movies_vs_tv") == [(4,)]
    rows = pipeline.query("SELECT country, titles, weighted_titles FROM kpi_titles_by_country")
    assert rows == [
        ("Norway", 3, 1.8333),
        ("Peru", 2, 0.8333),
        ("Chad", 1, 0.3333),
        ("Unknown", 1, 1.0),
    ]
    assert pipeline.query(
        "SELECT titles.show_id, countries.country, bridge.position, bridge.weight "
        "FROM bridge_title_country AS bridge "
        "JOIN dim_title AS titles USING (title_key) JOIN dim_country AS countries "
        "USING (country_key) WHERE titles.show_id <> 's2' ORDER BY ALL"
    ) == [
        ("s1", "Chad", 2, 1 / 3),
        ("s1", "Norway", 1, 1 / 3),
        ("s1", "Peru", 3, 1 / 3),
        ("s4", "Norway", 1, 0.5),
        ("s4", "Peru", 2, 0.5),
    ]


@pytest.mark.slow
def test_versions_of_changed_and_deleted_titles_are_facts_but_not_in_the_kpis(pipeline):
    first = [title(n) for n in (1, 2, 3)]
    second = [title(1, rating="R", country="Chad", listed_in="Dramas"), title(3)]
    result = build(pipeline, first, second)
    assert result.returncode == 0, result.stderr
    began, ended = datetime(2022, 1, 1), datetime(2022, 1, 2)
    assert pipeline.query(
        "SELECT titles.show_id, titles.valid_from, titles.valid_to, titles.is_current, "
        "titles.end_operation, facts.is_current, ratings.rating, facts.valid_from_key, "
        "facts.valid_to_key, facts.duration_minutes, facts.seasons, facts.date_added_key, "
        "(SELECT string_agg(country, ',') FROM bridge_title_country AS bridge "
        "JOIN dim_country USING (country_key) WHERE bridge.title_key = facts.title_key), "
        "(SELECT count(*) FROM bridge_title_genre WHERE title_key = facts.title_key) "
        "FROM fact_title_catalog AS facts JOIN dim_title AS titles USING (title_key) "
        "JOIN dim_rating AS ratings USING (rating_key) "
        "ORDER BY titles.show_id, titles.valid_from"
    ) == [
        ("s1", began, ended, False, "update", False, "PG", 20220101, 20220102, 90, None, 20210925,
         "Norway", 2),
        ("s1", ended, None, True, None, True, "R", 20220102, 0, 90, None, 20210925, "Chad", 1),
        ("s2", began, ended, False, "delete", False, "PG", 20220101, 20220102, 90, None, 20210925,
         "Norway", 2),
        ("s3", began, None, True, None, True, "PG", 20220101, 0, 90, None, 20210925, "Norway", 2),
    ]  # fmt: skip
    assert pipeline.query("SELECT country, titles FROM kpi_titles_by_country") == [
        ("Chad", 1),
        ("Norway", 1),
    ]
    assert pipeline.query(
        "SELECT inserted, updated, deleted, unchanged, current_titles FROM kpi_catalog_changes"
    ) == [(3, 0, 0, 0, 3), (0, 1, 1, 1, 2)]


def test_growth_compares_twelve_months_with_the_twelve_before(pipeline):
    def added(number: int, day: str, **values: str):
        return title(number, date_added=day, **values)

    result = build(
        pipeline,
        [
            added(1, "February 29, 2020"),  # the newest: the window begins after 28 February 2019
            added(2, "March 1, 2019"),
            added(3, "February 28, 2019"),  # the last day of the window before
            added(4, "March 1, 2018"),
            added(5, "February 28, 2018"),  # too old for either
            added(6, "January 1, 2020", country="Chad"),
            added(7, "January 1, 2019", country=""),
            added(8, "", country="Peru"),
            added(9, "January 1, 2020"),
        ],
    )
    assert result.returncode == 0, result.stderr
    assert pipeline.query("FROM kpi_country_recent_growth") == [
        ("Norway", 3, 2, 50.0),
        ("Chad", 1, 0, None),
        ("Unknown", 0, 1, -100.0),
    ]


def test_what_is_missing_is_counted_as_unknown(pipeline):
    result = build(
        pipeline,
        [
            title(1),
            title(2, country="", rating="", date_added="", listed_in="", duration="", cast=""),
            title(3, country="Unknown", rating="Unknown", listed_in="Unknown", director="Unknown"),
        ],
    )
    assert result.returncode == 0, result.stderr
    assert pipeline.query("FROM kpi_titles_by_country") == [
        ("Unknown", None, None, None, 2, 2.0),
        ("Norway", "NO", "NOR", "578", 1, 1.0),
    ]
    assert pipeline.query("FROM kpi_titles_by_rating") == [
        ("PG", "older kids", 6, 1),
        ("Unknown", "unrated", 99, 2),
    ]
    assert pipeline.query("FROM kpi_top_genres") == [
        ("Unknown", 2, 2.0),
        ("Comedies", 1, 0.5),
        ("Dramas", 1, 0.5),
    ]
    assert pipeline.query("FROM kpi_additions_by_month") == [
        (date(2021, 9, 1), "Movie", 2),
        (None, "Movie", 1),
    ]
    assert pipeline.query("FROM kpi_duration_by_type") == [
        ("Movie", "minutes", 2, 90, 90.0, 90.0, 90),
        ("Movie", "unknown", 1, None, None, None, None),
    ]


@pytest.mark.slow
def test_the_calendar_has_every_day_between_the_first_and_the_last_and_no_more(pipeline):
    result = build(
        pipeline,
        [title(1, date_added="2020-02-27"), title(2, date_added="9011-01-02"), title(3)],
    )
    assert result.returncode == 0, result.stderr
    days = pipeline.query("SELECT full_date FROM dim_date WHERE date_key > 0 ORDER BY 1")
    first, last = date(2020, 2, 27), date(2022, 1, 1)
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert [day for (day,) in days] == [*span, date(9011, 1, 2)]
    assert pipeline.query("FROM dim_date WHERE date_key IN (0, 20200229) ORDER BY date_key") == [
        (0, None, None, None, None, "Unknown", None, None, None, "Unknown", None),
        (20200229, date(2020, 2, 29), 2020, 1, 2, "February", date(2020, 2, 1), 29, 6, "Saturday",
         True),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_new_snapshot_renumbers_no_name(pipeline):
    first = build(pipeline, [title(1, country="Peru", cast="M, N"), title(2)])
    assert first.returncode == 0, first.stderr
    people = pipeline.query("SELECT person, person_key FROM dim_person")
    assert (
        pipeline.land(
            catalogue(title(1, country="Peru", cast="M, N"), title(2), title(3, cast="Aa, M")),
            SNAPSHOT_AT="2022-01-02",
        ).returncode
        == 0
    )
    assert pipeline.steps("06_merge_cdc", STEP).returncode == 0
    assert pipeline.query("SELECT person, person_key FROM dim_person") == [*people, ("Aa", 5)]


# --- hostile values ----------------------------------------------------------------------------


def test_hostile_values_are_kept_as_they_are(pipeline):
    names = [
        "Robert'); DROP TABLE dim_title;--",
        "<script>alert(1)</script>",
        '"quoted" \\ $1 {x} %s',
        "🎬👩‍👩‍👧 \u202eright to left",
        "x" * 3000,
        "=cmd|'/c calc'!A1",
    ]
    records = [
        title(n, title=name, cast=name, country=name, listed_in=name, rating=name[:50])
        for n, name in enumerate(names)
    ]
    result = build(pipeline, [*records, title(99, country="Narnia")])
    assert result.returncode == 0, result.stderr
    pipeline.assert_harmless_on_a_terminal(result)
    assert "7 country name(s) are not in ISO 3166: " in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 500
    for table, column in (("dim_title", "title"), ("dim_country", "country"),
                          ("dim_genre", "genre"), ("dim_person", "person")):  # fmt: skip
        found = {value for (value,) in pipeline.query(f"SELECT {column} FROM {table}")}
        assert found >= set(names), table
    assert pipeline.query(
        "SELECT iso_alpha2, iso_numeric, status FROM dim_country WHERE country = 'Narnia'"
    ) == [(None, None, "unknown")]
    assert pipeline.query(
        "SELECT audience, rating_order, is_listed FROM dim_rating "
        "WHERE rating = '<script>alert(1)</script>'"
    ) == [("unrated", 90, False)]
    assert pipeline.query("SELECT sum(titles) FROM kpi_titles_by_rating") == [(7,)]


@pytest.mark.slow
def test_country_names_are_recognised_in_any_spelling(pipeline):
    named = {
        "Czechoslovakia": ("CSK", "historic"),
        "Yugoslavia": ("YUG", "historic"),
        "united states": ("USA", "current"),
        "US": ("USA", "current"),
        "UK": ("GBR", "current"),
        "Kosovo": (None, "unknown"),  # ISO 3166 has no code for it
        "840": (None, "unknown"),  # a number is no name
        "Côte d'Ivoire": ("CIV", "current"),
    }
    result = build(pipeline, [title(n, country=name) for n, name in enumerate(named)])
    assert result.returncode == 0, result.stderr
    found = pipeline.query(
        "SELECT name, iso_alpha3, status FROM dim_country_name JOIN dim_country USING (country_key)"
    )
    assert {name: codes for name, *codes in found} == {n: list(c) for n, c in named.items()}


def test_a_country_by_two_names_is_one_country(pipeline):
    named = ["United States"] * 3 + ["USA", "USA, Chile", "US, United States", "Türkiye", "Turkey"]
    result = build(pipeline, [title(n, country=name) for n, name in enumerate([*named, "XX"])])
    assert result.returncode == 0, result.stderr
    assert pipeline.query(
        "SELECT country, iso_alpha2, titles, weighted_titles FROM kpi_titles_by_country ORDER BY 1"
    ) == [("Chile", "CL", 1, 0.5), ("Turkey", "TR", 2, 2), ("United States", "US", 6, 5.5),
          ("XX", None, 1, 1)]  # fmt: skip
    assert pipeline.query(
        "SELECT name, is_main FROM dim_country_name JOIN dim_country USING (country_key) "
        "WHERE country = 'United States' ORDER BY 1"
    ) == [("US", False), ("USA", False), ("United States", True)]


@pytest.mark.parametrize(("director", "code"), [("", "NA"), ("NA", None)])
def test_na_is_namibia_unless_it_stands_for_what_is_missing(pipeline, director, code):
    result = build(pipeline, [title(1, country="NA", director=director), title(2)])
    assert result.returncode == 0, result.stderr
    found = pipeline.query("SELECT iso_alpha2 FROM dim_country WHERE country = 'NA'")
    assert found == [(code,)]


# --- runs --------------------------------------------------------------------------------------


def test_without_a_history_it_refuses_and_names_the_command(pipeline):
    result = pipeline.step(STEP)
    assert (result.returncode, "make merge" in result.stderr) == (2, True)
    assert pipeline.land(catalogue(title(1))).returncode == 0
    assert pipeline.step(STEP).returncode == 2
    names = pipeline.query("SELECT table_name FROM duckdb_tables()")
    assert not {name for (name,) in names} & set(TABLES)


def test_a_second_run_says_as_before_and_changes_nothing(pipeline, built_once):
    pipeline.copy_of(built_once)
    before = pipeline.tables(), pipeline.digests()
    result = pipeline.step(STEP)
    assert (result.returncode, "40 titles, as before" in result.stdout) == (0, True)
    assert (pipeline.tables(), pipeline.digests()) == before


@pytest.mark.slow
def test_a_rebuild_from_scratch_is_the_same(pipeline, built_once):
    pipeline.copy_of(built_once)
    before = pipeline.tables()
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("DROP TABLE analytics_build")
    result = pipeline.step(STEP)
    assert (result.returncode, "as before" in result.stdout) == (0, False)
    assert pipeline.tables() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ops_merges SET cdc_key = 'title'",  # the history was rebuilt by another key
        "INSERT INTO ops_merges BY NAME SELECT * REPLACE ("
        "'late' AS batch_id, snapshot_at - INTERVAL 1 DAY AS snapshot_at) FROM ops_merges",
        "DROP VIEW kpi_top_people",
        "DELETE FROM analytics_netflix_history WHERE show_id = 's1'",
        "UPDATE analytics_build SET rules = 'older'",
        "UPDATE analytics_build SET rules = 'older'; DROP VIEW dim_title; "
        "CREATE TABLE dim_title AS SELECT 'v' AS title_key",  # as it was before it was a view
    ],
)
def test_whatever_changed_is_built_again(pipeline, built_once, change):
    pipeline.copy_of(built_once)
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute(change)
    result = pipeline.step(STEP)
    assert (result.returncode, "as before" in result.stdout) == (0, False), result.stderr
    assert "as before" in pipeline.step(STEP).stdout
    assert pipeline.query("SELECT count(*) > 0 FROM kpi_top_people") == [(True,)]


BROKEN = [
    ("dim_title.sql", "    version_id AS title_key,", "    version_id || 'x' AS title_key,",
     "every_fact_finds_its_title"),
    ("dimensions.sql", "    WHERE line <> ''",
     "    WHERE line <> '' UNION ALL SELECT 6, 'PG', 'teens'",
     "one_fact_per_version"),
    ("dimensions.sql", "    0 AS date_key,", "    -1 AS date_key,", "every_fact_finds_its_dates"),
    ("dim_title.sql", "_history;", "_history WHERE is_current;",
     "one_title_row_per_version"),
    ("facts.sql", "    changes.title_key,", "    min(changes.title_key) OVER (),",
     "every_fact_finds_its_title"),
    ("dimensions.sql", "FROM catalog_countries AS named\n",
     "FROM (FROM catalog_countries UNION ALL FROM catalog_countries) AS named\n",
     "names_are_unique"),
    ("facts.sql", "ratings.rating_key,", "ratings.rating_key + 50 AS rating_key,",
     "every_fact_finds_its_rating"),
    ("facts.sql", "LEFT JOIN dim_rating", "INNER JOIN (FROM dim_rating LIMIT 0)",
     "one_fact_per_version"),
    ("facts.sql", "    changes.is_current\n", "    true AS is_current\n",
     "current_facts_are_current"),
    ("facts.sql", "    names.country_key,\n", "    names.country_key + 9 AS country_key,\n",
     "every_bridge_finds_its_country"),
    ("facts.sql", "    genres.genre_key,", "    genres.genre_key + 9 AS genre_key,",
     "every_bridge_finds_its_genre"),
    ("facts.sql", "dim_person.person_key,", "dim_person.person_key + 9 AS person_key,",
     "every_bridge_finds_its_person"),
    ("facts.sql", "/ members.member_count", "* members.member_count", "weights_sum_to_1"),
    ("facts.sql", "country IS NOT NULL", "country > 'P'",
     "country_weights_sum_to_1"),
    ("facts.sql", "\"cast\" IS NOT NULL", "\"cast\" > 'Z'", "cast_weights_sum_to_1"),
    ("facts.sql", "listed_in IS NOT NULL", "listed_in > 'Z'", "genre_weights_sum_to_1"),
    ("facts.sql", "director IS NOT NULL", "director > 'Z'",
     "director_weights_sum_to_1"),
    ("kpis.sql", "WHERE is_current\nGROUP BY \"type\"", "GROUP BY \"type\"",
     "kpi_movies_vs_tv_is_current"),
    ("kpis.sql", "    WHERE is_current\n    GROUP BY release_year", "    GROUP BY release_year",
     "kpi_titles_by_year_is_current"),
    ("kpis.sql", "LEFT JOIN dim_country AS countries ON sums.country_key = countries.country_key\n",
     "INNER JOIN dim_country AS countries ON sums.country_key = countries.country_key\n",
     "kpi_titles_by_country_is_current"),
    ("kpis.sql", " / sums.member_count", " * sums.member_count", "kpi_top_genres_is_current"),
    ("kpis.sql", "WHERE facts.is_current\nGROUP BY ratings", "GROUP BY ratings",
     "kpi_titles_by_rating_is_current"),
    ("kpis.sql", "= dates.date_key\n    WHERE facts.is_current\n", "= dates.date_key\n",
     "kpi_additions_by_month_is_current"),
    ("kpis.sql", "title_catalog\n    WHERE is_current\n)", "title_catalog\n)",
     "kpi_duration_by_type_is_current"),
    ("kpis.sql", "LEFT JOIN dim_genre AS genres ON sums.genre_key = genres.genre_key\nGROUP BY s",
     "INNER JOIN dim_genre AS genres ON sums.genre_key = genres.genre_key\nGROUP BY s",
     "kpi_genres_over_time_is_genres"),
    ("count_all.sql", "WHERE facts.is_current\n", "", "kpi_titles_by_country_is_current"),
    ("sums.sql", "CAST(sum(titles) AS", "CAST(-sum(titles) AS", "sums_are_positive"),
]  # fmt: skip


@pytest.fixture(scope="module")
def changed_once(tmp_path_factory):
    """A history with a changed, a deleted and an inserted title, and its star schema."""
    changed = Pipeline(tmp_path_factory.mktemp("changed"))
    first = [title(n, director="Cy Dee") for n in (1, 2, 3)]
    second = [
        title(1, director="Cy Dee", rating="R"),
        title(3, director="Cy Dee"),
        title(4, country="", listed_in=""),
    ]
    assert build(changed, first, second).returncode == 0
    return changed


@pytest.mark.parametrize(
    "file, old, new, invariant", BROKEN, ids=[f"{number}-{b[3]}" for number, b in enumerate(BROKEN)]
)
def test_a_broken_star_schema_is_not_kept(
    pipeline, changed_once, monkeypatch, file, old, new, invariant
):
    """Break the SQL on purpose; the run must name the invariant and leave nothing behind."""
    folder = pipeline.root / "sql"
    shutil.copytree(PROJECT / "sql", folder)
    before = pipeline.copy_of(changed_once).tables()
    text = (folder / "analytics" / file).read_text()
    assert old in text
    (folder / "analytics" / file).write_text(text.replace(old, new))
    monkeypatch.setattr(config, "SQL", folder)
    monkeypatch.setattr(database, "SQL", folder)
    monkeypatch.setattr(star_schema, "SQL", folder)
    result = pipeline.step(STEP)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result.stdout
    assert result.stderr.startswith("analytics stopped: the star schema breaks an invariant")
    assert invariant in result.stderr
    assert pipeline.tables() == before
