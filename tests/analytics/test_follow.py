"""The star schema that follows the history equals one built from the whole history.

A full build is the reference: what test_analytics.py compares with pandas and with hand-written
rows is built so, and here what followed must be equal to it, row by row, after each night.
"""

import logging
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random
from unittest import mock

import duckdb
import pytest
from conftest import CHAIN, PROJECT, Pipeline, catalogue, title
from histories import History, RolledBack
from scd2_model import Day, made_up

from analytics import follow
from analytics.star_schema import STAR, build_star_schema, find_broken
from ingest.decisions import find_verdict, record_decision
from ingest.manifest import list_batches
from ingest.state import load_state
from runner.step import Step
from warehouse import database

STEP = "08_build_analytics"
RECORDS = ("analytics_build", "analytics_contents")
LOOSE = {
    f"MAX_{what}_{unit}": "100"
    for what in ("INSERTED", "UPDATED", "DELETED", "QUARANTINED")
    for unit in ("ROWS", "PCT")
}
# Several names of a country, lists in which a member comes twice, codes that depend on the rest.
LISTS = {
    "country": ("", "India", "UK", "United Kingdom", "Peru, UK", "USA, United States",
                "India, India", "US, Chile, Peru", "Narnia", "NA"),
    "cast": ("", "Ann", "Bo, Ann", "Cy, Ann, Cy", "Di, Bo", "NA"),
    "director": ("", "Ann", "Ed, Bo"),
    "listed_in": ("Dramas", "Comedies, Dramas", "Dramas, Dramas", "Horror"),
}  # fmt: skip


def analyse(history: History, full: bool = False) -> bool:
    """Do what step 08 does, in one transaction; return whether it built everything."""
    step = Step("analytics", history.settings, "test", logging.Logger("test"), history.con)
    script = import_module(STEP)
    with (
        mock.patch.object(script, "build_star_schema", wraps=build_star_schema) as built,
        database.transaction(history.con),
    ):
        script.run(step, full)
    return built.called


def read_star(con: database.Warehouse) -> dict[str, list[tuple]]:
    """All rows of the star schema, its sums, its KPIs and its records."""
    names = [name for name, _ in con.objects() if name.startswith(STAR) or name in RECORDS]
    return {
        name: sorted(con.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names
    }


def require_equal(history: History) -> None:
    """Compare the star schema with a full build of the same history, and leave it as it is."""
    found = read_star(history.con)
    with pytest.raises(RolledBack), database.transaction(history.con):
        step = Step("analytics", history.settings, "test", logging.Logger("test"), history.con)
        import_module(STEP).run(step, full=True)
        expected = read_star(history.con)
        raise RolledBack
    assert {*found} == {*expected}
    for name, rows in expected.items():
        assert found[name] == rows, name


def vary(random: Random, day: Day) -> list[dict]:
    """Give records of the model's pools lists of countries, people and genres."""
    rows = []
    for row in day.rows:
        for name, pool in LISTS.items():
            if name not in day.missing and random.random() < 0.9:  # mostly as the night before
                row = row | {name: Random(f"{row['show_id']} {name}").choice(pool)}
        rows.append({name: text for name, text in row.items() if name not in day.missing})
    return rows


def play(folder: Path, seed: int, nights: int, key: str, drawn: Counter) -> None:
    """Play nights with files of every kind, also late and withdrawn; compare after each."""
    random = Random(seed)
    folder.mkdir(exist_ok=True)
    contract = folder / "contract.toml"
    contract.write_text((PROJECT / "sql/contract.toml").read_text())
    history = History(folder, CONTRACT_PATH=str(contract), CDC_KEY=key, **LOOSE)
    days = made_up(random, 6, nights, side_by_side=3, by_title=key == "title")
    free = list(range(1, 3 * nights))
    for number, day in enumerate(days):
        if random.random() < 0.8:
            day.missing &= {"show_id"}
        rows = vary(random, day) or [title(1)]
        place = 0 if number and random.random() < 0.08 else number + 1
        drawn["late"] += place == 0
        history.land(rows, free.pop(place if place < len(free) else -1), day.rejected)
        history.merge()
        batches = list_batches(load_state(history.settings))
        out = [b for b in batches if find_verdict(history.settings, b, key) == "withdrawn"]
        if number and random.random() < (0.5 if out else 0.08):
            verdict = "restored" if out else "withdrawn"
            drawn[verdict] += 1
            batch = random.choice(out or batches[:-1])
            record_decision(history.settings, batch, verdict, "by hand")
            history.merge()
        text, tracked = contract.read_text(), "[columns.director]\ntracked = false\n"
        if random.random() < (0.5 if tracked in text else 0.05):
            new = (tracked, "[columns.director]\n")
            contract.write_text(text.replace(*(new if tracked in text else new[::-1])))
            drawn["edited"] += 1
            history.merge()
        if random.random() < 0.08:
            drawn["not built that night"] += 1
            continue
        built = analyse(history)
        drawn["built" if built else "followed"] += 1
        if not built:
            require_equal(history)
    history.con.close()


@pytest.mark.parametrize(
    ("key", "seed"), [pytest.param("show_id", 6, marks=pytest.mark.slow), ("title", 1)]
)
def test_following_the_history_equals_a_full_build(tmp_path, key, seed):
    drawn = Counter()
    play(tmp_path, seed, 3, key, drawn)
    assert drawn["followed"] == 2, drawn


@pytest.mark.parametrize(("most", "is_built"), [(7, True), (8, False)])
def test_a_merge_that_begins_much_of_a_large_history_is_built_in_full(
    tmp_path, monkeypatch, most, is_built
):
    monkeypatch.setattr(follow, "MOST_FOLLOWED", most)
    history = History(tmp_path, **LOOSE)
    for day, rating in enumerate(("PG", "R")):
        history.land([title(number, rating=rating) for number in range(8)], day + 1)
        history.merge()
        built = analyse(history)
    assert built == is_built
    history.con.close()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_following_200_histories_equals_a_full_build(tmp_path, part):
    drawn = Counter()
    for number in range(10):
        key = ("show_id", "title")[number % 2]
        play(tmp_path / str(number), 1000 + 10 * part + number, 6, key, drawn)
    assert drawn["followed"] >= 10, drawn
    assert drawn["late"] + drawn["withdrawn"] + drawn["edited"] > 0, drawn


# --- a value that was changed around the pipeline -------------------------------------------------

NIGHT = (*CHAIN, STEP, "09_publish")
STAYS = "title_key IN (SELECT title_key FROM dim_title WHERE show_id = 's5')"  # else it is closed
PLANTED = [
    ("fact_title_catalog", "release_year = 1999"),
    ("fact_title_catalog", "is_current = NOT is_current"),
    ("fact_title_catalog", "rating_key = 3"),
    ("bridge_title_country", "country_key = 2"),
    ("bridge_title_country", "weight = 0.5"),
    ("bridge_title_genre", "genre_key = 3 - genre_key"),
    ("bridge_title_cast", "title_key = (SELECT max(title_key) FROM fact_title_catalog)"),
    ("bridge_title_director", "person_key = person_key + 1"),
    ("dim_country", "iso_name = 'Elsewhere'"),
    ("dim_country_name", "is_main = NOT is_main"),
    ("dim_date", "month_name = 'Mai'"),
    ("dim_genre", "genre = 'Drama'"),
    ("dim_person", "person = 'Somebody'"),
    ("dim_rating", "audience = 'adults'"),
    ("sums_title_country", "titles = titles + 1"),
    ("sums_title_genre", "member_count = 7"),
    ("sums_title_person", "titles = 1000"),
]


def records(*numbers: int, **values: str) -> str:
    return catalogue(*(title(n, cast=f"Ann, Bo {n % 3}", director="Cy, Di") for n in numbers),
                     title(0, **values))  # fmt: skip


@pytest.fixture(scope="module")
def second_night(tmp_path_factory):
    """Publish one night; audit the next one, which then waits for step 08."""
    pipeline = Pipeline(tmp_path_factory.mktemp("second"), {"NEWEST_TITLE_DAYS": "36500",
                                                            "FRESHNESS_DAYS": "36500"})  # fmt: skip
    for day, source in ((1, records(*range(1, 9))), (2, records(*range(2, 10), rating="R"))):
        steps = NIGHT if day == 1 else CHAIN
        path = pipeline.put(source)
        done = pipeline.steps(*steps, NETFLIX_CSV=path, SNAPSHOT_AT=f"2022-01-0{day}")
        assert done.returncode == 0, done.stderr
    return pipeline


@pytest.mark.parametrize(
    ("table", "change"),
    [
        pytest.param(*fault, marks=() if n == 2 else pytest.mark.slow)
        for n, fault in enumerate(PLANTED)
    ],
)
def test_tables_changed_outside_the_pipeline_are_not_published(
    pipeline, second_night, table, change
):
    pipeline.copy_of(second_night)
    pipeline.settings = second_night.settings
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        place = "rowid = 0" if table != "fact_title_catalog" else STAYS
        con.execute(f"UPDATE {table} SET {change} WHERE {place}")
    before = pipeline.tables(), pipeline.digests("data/published")
    result = pipeline.step(STEP)
    assert (result.returncode, "make analytics FULL=1" in result.stderr) == (1, True), result.stderr
    assert pipeline.step("09_publish").returncode == 2
    assert (pipeline.tables(), pipeline.digests("data/published")) == before
    assert pipeline.step(STEP, "--full").returncode == 0


def test_a_night_that_follows_says_the_same_as_a_full_build(pipeline, second_night):
    pipeline.copy_of(second_night)
    pipeline.settings = second_night.settings
    followed, tables = pipeline.step(STEP), pipeline.tables()
    assert (followed.returncode, followed.stderr) == (0, "")
    again = pipeline.step(STEP, "--full")
    assert pipeline.tables() == tables
    assert again.stdout.split(" s  ")[1] == followed.stdout.split(" s  ")[1]


@pytest.mark.slow
def test_verify_compares_the_star_that_followed(pipeline, second_night):
    """Each night looks for it before it builds; this one comes after."""
    pipeline.copy_of(second_night)
    pipeline.settings = second_night.settings
    assert pipeline.step(STEP).returncode == 0
    whole = pipeline.step("10_rebuild_warehouse", "--verify")
    assert (whole.returncode, "sums_title_person" in whole.stdout) == (0, True), whole.stderr
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE bridge_title_cast SET person_key = 3 - person_key WHERE rowid = 0")
    result = pipeline.step("10_rebuild_warehouse", "--verify")
    assert (result.returncode, "bridge_title_cast differ(s)" in result.stderr) == (30, True)


@pytest.mark.slow
def test_a_night_that_dies_at_any_statement_leaves_the_star_as_it_was(pipeline, second_night):
    pipeline.copy_of(second_night)
    pipeline.settings = second_night.settings
    before, asked = pipeline.tables(), 0

    def execute(self, *arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("it died")
        return self.con.execute(*arguments)

    with mock.patch.object(database.DuckDBWarehouse, "execute", execute, create=True):
        while pipeline.tables() == before:
            left = asked = asked + 4
            pipeline.step(STEP)
    assert asked > 40  # it died behind the COMMIT, or no more
    assert pipeline.step(STEP).returncode == 0
    followed = pipeline.tables()
    assert pipeline.step(STEP, "--full").returncode == 0
    assert pipeline.tables() == followed


@pytest.mark.slow
@pytest.mark.parametrize("file", ["invariants_all", "invariants_changes"])
def test_the_weights_of_a_million_titles_add_up(file):
    """A sum of fractions drifts: by 2e-5 here. One wrong weight in 3.5 million is found."""
    lists = "country", "genre", "cast", "director"
    with duckdb.connect() as con:
        warehouse = database.DuckDBWarehouse(con)
        con.execute("CREATE MACRO date_key(day_date) AS 0")
        con.execute(
            "CREATE TABLE facts AS SELECT CAST(i AS VARCHAR) AS title_key, 'Movie' AS type, true "
            "AS is_current, NULL::INT AS release_year, NULL::INT AS seasons, 0 AS rating_key, "
            "NULL::INT AS duration_minutes, 0 AS date_added_key, 0 AS valid_from_key, "
            "0 AS valid_to_key, 1 + i % 6 AS members FROM range(1000000) AS titles (i)"
        )
        con.execute("CREATE VIEW fact_title_catalog AS FROM facts")
        con.execute("CREATE VIEW dim_title AS FROM facts")
        con.execute("CREATE TABLE dim_rating AS SELECT 0 AS rating_key, 'Unknown' AS rating")
        con.execute(
            "CREATE VIEW star_changes AS SELECT *, true AS is_begun, title_key AS version_id, "
            "'x' AS country, 'x' AS listed_in, 'x' AS \"cast\", 'x' AS director, NULL AS rating, "
            "NULL AS date_added, NULL AS valid_from, NULL AS valid_to FROM facts"
        )
        con.execute("CREATE VIEW analytics_netflix_history AS FROM star_changes")
        con.execute(
            "CREATE TABLE bridge AS SELECT title_key, 1 AS country_key, 1 AS genre_key, "
            "1 AS person_key, unnest(range(1, members + 1)) AS position, 1 / members AS weight "
            "FROM facts"
        )
        for name in lists:
            con.execute(f"CREATE TABLE bridge_title_{name} AS FROM bridge")
            con.execute(f"SET VARIABLE rows_bridge_title_{name} = 0")
        for name in ("country", "genre", "person"):
            con.execute(f"CREATE TABLE dim_{name} AS SELECT 1 AS {name}_key")
        assert find_broken(warehouse, file) == ""
        con.execute("UPDATE bridge_title_cast SET weight = weight - 1 / 42 WHERE rowid = 5")
        assert find_broken(warehouse, file) == "cast_weights_sum_to_1: 1"
