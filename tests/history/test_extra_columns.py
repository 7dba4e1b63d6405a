"""A column beyond the twelve is one entry in the contract: typed, tracked, published, explained."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, PROJECT, catalogue, title

CONTRACT = (PROJECT / "sql" / "contract.toml").read_text()
ENTRY = """
[columns.imdb_score]
type = "number"
range = [0, 10]
description = "Score at IMDb's, 0 to 10 | as it was that night."
aliases = ["IMDb"]
"""
WHOLE = (*CHAIN, "08_build_analytics", "09_publish")


def in_force(pipeline, *entries):
    """The project's contract with these entries behind it."""
    path = Path(pipeline.put(CONTRACT + "".join(entries), "contract.toml"))
    pipeline.settings["CONTRACT_PATH"] = str(path)


def night(pipeline, day, *scores, steps=WHOLE, source=None, **more):
    """A file of titles with these scores, taken in; titles have numbers from 1."""
    records = [title(number, IMDb=score, **more) for number, score in enumerate(scores, 1)]
    source = source or pipeline.put(catalogue(*records))
    at = {"SNAPSHOT_AT": f"2021-10-0{day} 03:00", "FRESHNESS_DAYS": "36500"}
    result = pipeline.steps(*steps, NETFLIX_CSV=source, **at)
    assert result.returncode == 0, result.stderr
    return result


def judged(pipeline):
    """Why the guard let each edit of the contract pass."""
    decisions = pipeline.records("decisions")
    return [entry["reason"] for entry in decisions if entry["batch_id"].startswith("contract-")]


@pytest.mark.slow
def test_one_entry_in_the_contract_is_a_column_everywhere(pipeline):
    # two nights before the contract knows the column; a third with it: each night has its own value
    night(pipeline, 1, "7.5", "8", "")
    night(pipeline, 2, "7.9", "8", "")
    in_force(pipeline, ENTRY)
    night(pipeline, 3, "7.9", "8.0", "6.25")
    assert judged(pipeline) == [
        "the contract was edited: +0 ~0 -0 of 3 titles, 3 versions become 5"
    ]
    values = "SELECT title_id, valid_from, operation, imdb_score FROM analytics_netflix_history"
    assert [
        (key, at.day, *rest) for key, at, *rest in pipeline.query(f"{values} ORDER BY ALL")
    ] == [
        ("s1", 1, "insert", 7.5),
        ("s1", 2, "update", 7.9),
        ("s2", 1, "insert", 8.0),
        ("s3", 1, "insert", None),
        ("s3", 3, "update", 6.25),
    ]
    assert pipeline.query(
        "SELECT title_id, column_name, old_value, new_value FROM cdc_netflix_changes "
        "WHERE column_name IS NOT NULL ORDER BY ALL"
    ) == [("s1", "imdb_score", "7.5", "7.9"), ("s3", "imdb_score", None, "6.25")]
    # in the published copy: current, as of, changes, the title dimension, dictionary and comments
    published = pipeline.root / "data" / "published"
    with duckdb.connect(str(published / "netflix.duckdb"), read_only=True) as con:
        score = "SELECT list(imdb_score ORDER BY title_id) FROM"
        assert con.sql(f"{score} analytics_netflix_current").fetchall() == [([7.9, 8.0, 6.25],)]
        past = f"{score} catalog_as_of(TIMESTAMP '2021-10-01 12:00:00')"
        assert con.sql(past).fetchall() == [([7.5, 8.0, None],)]
        between = "changes_between(TIMESTAMP '2021-10-01 12:00', TIMESTAMP '2021-10-02 12:00')"
        assert con.sql(f"SELECT column_name, new_value FROM {between}").fetchall() == [
            ("imdb_score", "7.9")
        ]
        assert con.sql("SELECT count(imdb_score), max(imdb_score) FROM dim_title").fetchall() == [
            (4, 8.0)
        ]
    dictionary = (published / "dictionary.md").read_text()
    meaning = r"| imdb\_score | DOUBLE | Score at IMDb's, 0 to 10 \| as it was that night. |"
    assert dictionary.count(meaning) == 3  # history, current, dim_title
    why = pipeline.step("11_explain_title", "s1")
    assert "imdb_score" in why.stdout and "'7.5'" in why.stdout and "'7.9'" in why.stdout
    # without the entry again: a night like any other, of the columns that are left
    del pipeline.settings["CONTRACT_PATH"]
    night(pipeline, 4, "1", "2", "3")
    assert judged(pipeline)[1:] == [
        "the contract was edited: +0 ~0 -0 of 3 titles, 5 versions become 3"
    ]
    left = "SELECT table_name FROM duckdb_columns() WHERE column_name = 'imdb_score'"
    assert pipeline.query(left) == []
    assert pipeline.query("SELECT count(*), max(valid_from) FROM analytics_netflix_history") == [
        (3, datetime(2021, 10, 1, 3))
    ]


TYPED = """
[columns.score]
type = "number"
range = [0, 10]
[columns.votes]
type = "integer"
range = [0, 1_000_000]
[columns.original]
type = "boolean"
[columns.leaves]
type = "date"
[columns.tags]
type = "list"
[columns.board]
type = "text"
nullable = false
allowed = ["A", "B"]
"""
SOUND = {"score": "7.5", "votes": "12", "original": "yes", "leaves": "2022-01-31", "tags": "a ,b",
         "board": "A"}  # fmt: skip


VALUES = (  # (column, as the file has it, as it is stored)
    ("score", "-0", 0.0),
    ("score", "1.2345678", 1.234568),
    ("score", "1e-3", 0.001),
    ("score", ".5", 0.5),
    ("score", "", None),
    ("votes", "12.0", 12),
    ("votes", "+7", 7),
    ("original", "N", False),
    ("original", "1", True),
)


def test_a_value_becomes_its_type(pipeline):
    in_force(pipeline, TYPED)
    records = [title(n, **SOUND | {name: given}) for n, (name, given, _) in enumerate(VALUES)]
    assert pipeline.land(catalogue(*records)).returncode == 0
    names = ("score", "votes", "original")
    query = f"SELECT {', '.join(names)} FROM staging_netflix_titles ORDER BY source_line"
    for (name, given, value), row in zip(VALUES, pipeline.query(query), strict=True):
        assert row[names.index(name)] == value, given
    assert pipeline.query("SELECT * FROM staging_lost_in_cast") == []


def test_unparsable_values_are_counted_and_invalid_records_quarantined(pipeline):
    in_force(pipeline, TYPED)
    lost = {"score": "7,5", "votes": "1.000", "original": "maybe", "leaves": "31.1.22"}
    broken = {"score": "10.1", "votes": "-1", "board": ""}
    records = [title(n, **SOUND) for n in range(1, 8)]
    records += [title(10 + n, **SOUND | {c: v}) for n, (c, v) in enumerate(lost.items())]
    records += [title(20 + n, **SOUND | {c: v}) for n, (c, v) in enumerate(broken.items())]
    records += [title(30, **SOUND | {"board": "C"}), title(1, **SOUND | {"score": "1"})]
    result = pipeline.land(catalogue(*records))
    assert result.returncode == 0, result.stderr
    assert dict(pipeline.query("SELECT column_name, raw_value FROM staging_lost_in_cast")) == lost
    assert sorted(pipeline.query("SELECT rule, raw_value FROM staging_netflix_quarantine")) == [
        ("conflicting_duplicate", "s1"),
        ("conflicting_duplicate", "s1"),
        ("impossible_score", "10.1"),
        ("impossible_votes", "-1"),
        ("missing_board", None),
        ("unknown_board", "C"),
    ]


NAMES = ("order", "group", "año", "value", "column_name", "hashed", "titles", "inserted", "kind")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["show_id", "title"])
def test_any_word_can_name_a_column(pipeline, key):
    in_force(pipeline, *(f'[columns."{name}"]\ntype = "number"\n' for name in NAMES))
    first = [title(n, **dict.fromkeys(NAMES, str(n))) for n in range(1, 4)]
    second = [title(n, **{name: f"{n}.{at}" for at, name in enumerate(NAMES)}) for n in (1, 2, 3)]
    for day, records in ((1, first), (2, second)):
        source = pipeline.put(catalogue(*records))
        at = {"SNAPSHOT_AT": f"2021-10-0{day} 03:00", "FRESHNESS_DAYS": "36500"}
        result = pipeline.steps(*WHOLE[:-1], NETFLIX_CSV=source, CDC_KEY=key, **at)
        assert result.returncode == 0, result.stderr
    changed = "SELECT column_name, count(*) FROM cdc_netflix_changes WHERE operation = 'update'"
    assert dict(pipeline.query(f"{changed} GROUP BY ALL")) == dict.fromkeys(NAMES[1:], 3)


@pytest.mark.slow  # the plan runs four processes
def test_the_plan_shows_the_new_column_and_writes_nothing(pipeline):
    night(pipeline, 1, "7.5", "8", steps=WHOLE[:5])
    in_force(pipeline, ENTRY)
    source = pipeline.put(catalogue(*(title(n, IMDb="9") for n in (1, 2))))
    before = pipeline.tables()
    plan = pipeline.step("06_merge_cdc", "--plan", NETFLIX_CSV=source)
    assert plan.returncode == 0, plan.stderr
    assert (
        "the history would be replayed from 2 snapshots, as the contract was edited" in plan.stdout
    )
    assert "imdb_score            2 changed" in plan.stdout
    assert pipeline.tables() == before


def test_a_column_is_a_warning_until_the_contract_has_it(pipeline):
    outcome = "SELECT verdict FROM ops_checks WHERE check_name = 'schema_as_before'"
    night(pipeline, 1, steps=CHAIN, source=pipeline.put(catalogue(title(1), title(2))))
    night(pipeline, 2, "7.5", "8", steps=CHAIN)
    in_force(pipeline, ENTRY)
    night(pipeline, 2, "7.5", "8", steps=CHAIN)
    assert pipeline.query(f"{outcome} ORDER BY checked_at") == [("pass",), ("warn",), ("pass",)]


@pytest.mark.slow
def test_a_column_is_not_null_where_the_file_has_it(pipeline):
    """The check ignores columns that the file lacks: they keep their values in the history."""
    strict = CONTRACT.replace("[columns.rating]\n", "[columns.rating]\nnullable = false\n")
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(strict, "contract.toml")
    night(pipeline, 1, "7.5", steps=CHAIN)
    record = {name: value for name, value in title(1).items() if name != "rating"}
    night(pipeline, 2, steps=CHAIN, source=pipeline.put(catalogue(record)))
    night(pipeline, 3, "7.5", steps=CHAIN)
    pipeline.hold_staging()
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE staging_records SET rating = NULL")
    done = pipeline.step(CHAIN[-1])
    assert (done.returncode, "critical_columns_not_null" in done.stderr) == (30, True)


@pytest.mark.slow
def test_a_column_that_is_not_tracked_has_the_value_of_today(pipeline):
    in_force(pipeline, ENTRY, "tracked = false\n")
    night(pipeline, 1, "7.5", "8", steps=WHOLE[:5])
    night(pipeline, 2, "7.9", "8", steps=WHOLE[:5])
    history = "SELECT title_id, operation, imdb_score FROM analytics_netflix_history ORDER BY ALL"
    assert pipeline.query(history) == [("s1", "insert", 7.9), ("s2", "insert", 8.0)]
    assert pipeline.query("SELECT * FROM cdc_netflix_changes WHERE column_name IS NOT NULL") == []


@pytest.mark.slow
def test_the_plan_and_a_warning_name_a_column_that_leaves_the_contract(pipeline):
    """Who overwrites their contract with a newer version's sees what that removes."""
    in_force(pipeline, ENTRY)
    night(pipeline, 1, "7.5", "8", steps=CHAIN[:5])
    night(pipeline, 2, "7.9", "8", steps=CHAIN[:5])
    in_force(pipeline)
    plan = pipeline.step("06_merge_cdc", "--plan", NETFLIX_CSV=str(pipeline.root / "catalogue.csv"))
    assert "+0 ~0 -0 of 2 titles, 3 versions become 2\n" in plan.stdout
    assert "against" not in plan.stdout, "the file itself is merged already"
    assert (
        "imdb_score            2 values go, the column is not in the contract now\n" in plan.stdout
    )
    merged = pipeline.steps(*CHAIN[1:5])
    assert merged.returncode == 0, "a night like any other"
    assert "column imdb_score is not in the contract now: the history has lost" in merged.stderr
    in_force(pipeline, ENTRY)
    back = pipeline.steps(*CHAIN[1:5])
    assert "2 titles, 2 versions become 3" in back.stdout + back.stderr
    assert "column imdb_score is new: 2 titles have a value" in back.stdout + back.stderr
    assert len(pipeline.query("FROM analytics_netflix_history")) == 3


@pytest.mark.slow
def test_a_night_after_an_edit_says_what_the_replay_and_what_the_new_file_did(pipeline):
    night(pipeline, 1, "7.5", "8", steps=CHAIN[:5])
    in_force(pipeline, ENTRY)
    done = night(pipeline, 2, "7.5", "8.5", "9", steps=CHAIN[:5])
    message = "history rebuilt from 2 snapshots, the new one: +1 ~1 -0"
    assert pipeline.query("SELECT message FROM ops_runs WHERE step = 'merge' ORDER BY rowid")[
        -1
    ] == (message,)
    assert f"note: {message}\n" in done.stdout
