"""CDC_KEY=title: titles are known by title, type and year, whatever ids they are under."""

from pathlib import Path

import pytest
from conftest import title, without
from histories import History

CHECK = "sql/checks/current_equals_staging.sql"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path, CDC_KEY="title")


def positions(*rows: dict[str, str]) -> list[dict[str, str]]:
    """The records with their positions as ids."""
    return [row | {"show_id": f"s{number}"} for number, row in enumerate(rows, 1)]


def counts(history: History) -> dict[str, int]:
    """What the last merge counted, without what it counted none of."""
    cursor = history.con.execute("FROM ops_merges ORDER BY snapshot_at DESC LIMIT 1")
    names = [column[0] for column in cursor.description]
    row = dict(zip(names, cursor.fetchone(), strict=True))
    return {
        name: row[name]
        for name in ("inserted", "reappeared", "updated", "deleted", "unchanged", "carried")
        if row[name]
    }


def test_moved_ids_make_no_new_version(history: History):
    old = [title(number) for number in range(1, 31)]
    history.take(positions(*old), 1)
    history.take(positions(title(99), *old), 2)
    assert counts(history) == {"inserted": 1, "unchanged": 30}
    assert history.query("SELECT count(*) FROM analytics_netflix_history") == [(31,)]
    assert history.query(
        "SELECT current.title, current.show_id FROM analytics_netflix_current AS current "
        "ANTI JOIN staging_netflix_titles AS staged USING (title, show_id)"
    ) == []  # fmt: skip
    assert history.query("SELECT * FROM cdc_netflix_changes WHERE column_name = 'show_id'") == []


UNREADABLE = {
    "of an unknown type": {"type": "Serie"},
    "of no type": {"type": ""},
    "of an impossible year": {"release_year": "1492"},
    "without a title": {"title": ""},
    "written otherwise": {"type": "Serie", "title": "TITLE: 5"},
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_quarantined_record_keeps_its_title_under_another_id(history: History, what: str):
    old = [title(number) for number in range(1, 10)]
    history.take(positions(*old), 1)
    broken = [row | UNREADABLE[what] if row["title"] == "Title 5" else row for row in old]
    history.take(positions(title(99), *broken), 2)
    assert counts(history) == {"inserted": 1, "unchanged": 8, "carried": 1}
    assert audit(history) == []
    history.take(positions(title(99), *old), 3)
    assert counts(history) == {"unchanged": 10}
    assert history.query("SELECT count(*) FROM analytics_netflix_history") == [(10,)]


def test_a_quarantined_record_keeps_no_other_title_with_its_old_id(history: History):
    """s5 is gone, and its id is that of a record of another title that cannot be read."""
    old = [title(number) for number in range(1, 10)]
    history.take(old, 1)
    history.take([*old[:4], title(99, show_id="s5", type="Serie"), *old[5:]], 2)
    assert counts(history) == {"deleted": 1, "unchanged": 8}


def test_a_quarantined_record_keeps_no_title_of_another_type(history: History):
    """A movie and a show have one name: the show's year is unreadable, the movie is gone."""
    show = title(2, title="Title 1", type="TV Show", duration="1 Season")
    history.take(positions(title(1), show, title(3)), 1)
    history.take(positions(show | {"release_year": "1492"}, title(3)), 2)
    assert counts(history) == {"deleted": 1, "unchanged": 1, "carried": 1}
    kept = "SELECT type FROM analytics_netflix_current WHERE title = 'Title 1'"
    assert history.query(kept) == [("TV Show",)]


def test_a_rejected_record_keeps_the_title_whose_words_it_has(history: History):
    rows = [title(1), title(2, title='Hello, "World"'), title(3)]
    history.take(positions(*rows), 1)
    history.land(positions(rows[0]), 2, ['s7,Movie,"Hello, ""World"",,2020'])
    history.merge()
    assert counts(history) == {"deleted": 1, "unchanged": 1, "carried": 1}


TWINS = [title(1, title="Twin"), title(2, title="Twin"), title(3)]


def audit(history: History) -> list[tuple]:
    history.con.execute("SET VARIABLE last_run_status = 'done'")
    return history.query(Path(__file__).parents[2].joinpath(CHECK).read_text())


@pytest.mark.parametrize(
    ("night", "expected", "versions"),
    [
        ([("s7", ""), ("s8", "")], {"unchanged": 3}, 3),
        ([("s2", ""), ("s1", "")], {"unchanged": 3}, 3),
        ([("s7", "")], {"unchanged": 2, "deleted": 1}, 3),
        ([("s7", ""), ("s8", ""), ("s9", "")], {"unchanged": 3, "inserted": 1}, 4),
        ([("s7", ""), ("s8", "R")], {"unchanged": 2, "updated": 1}, 4),
    ],
    ids=["renumbered", "swapped", "one is gone", "one more", "one changed"],
)
def test_equal_twins_are_paired_one_to_one(history: History, night, expected, versions):
    history.take([row | {"description": "Alike."} for row in TWINS], 1)
    twins = [
        title(1, show_id=key, title="Twin", description="Alike.", rating=rating or "PG")
        for key, rating in night
    ]
    history.take([*twins, TWINS[2] | {"description": "Alike."}], 2)
    assert counts(history) == expected
    assert history.query("SELECT count(*) FROM analytics_netflix_history") == [(versions,)]
    assert history.query("SELECT * FROM ops_ambiguous_matches") == []
    assert audit(history) == []


def test_ambiguous_titles_are_named_and_hold_up_no_others(history: History):
    """Two records could be either of two titles; Title 3 is another's change, Title 9 is new."""
    history.take(TWINS, 1)
    unlike = [title(n, title="Twin", description=f"New {n}.") for n in (7, 8)]
    history.take([*unlike, title(3, rating="R"), title(9)], 2)
    assert counts(history) == {"inserted": 1, "updated": 1, "carried": 2}
    assert audit(history) == []
    named = Path(__file__).parents[2] / "sql/checks/no_ambiguous_titles.sql"
    assert sorted(row[:2] for row in history.query(named.read_text())) == [
        ("s7", "Twin"),
        ("s8", "Twin"),
    ]


def test_a_record_with_the_key_of_two_live_titles_changes_neither(history: History):
    """A title that is carried forward keeps its id, which its twin has by then."""
    twins = [title(n, title="Twin", description=f"Twin {n}.") for n in (1, 2)]
    others = [title(n) for n in range(3, 10)]
    history.take([*twins, *others], 1)
    unreadable = twins[0] | {"show_id": "s8", "type": "Opera"}
    history.take([twins[1] | {"show_id": "s1"}, unreadable, *others], 2)
    keys = "SELECT show_id FROM analytics_netflix_current WHERE title = 'Twin'"
    assert history.query(keys) == [("s1",), ("s1",)]
    history.take([twins[0] | {"description": "Corrected."}, *others], 3)
    assert "updated" not in counts(history) and counts(history)["carried"] == 2
    assert audit(history) == []


def test_a_file_without_ids_is_merged(history: History):
    with_ids = [title(number) for number in range(1, 10)]
    history.take(with_ids, 1)
    bare = without(with_ids[1:], "show_id")
    history.take([*bare, bare[0], bare[1] | {"rating": "R"}], 2)
    # Two equal records of Title 2 are one. The two of Title 3 differ.
    assert counts(history) == {"inserted": 1, "unchanged": 8, "deleted": 1}
    assert audit(history) == []
    history.take(with_ids, 3)
    assert counts(history) == {"reappeared": 1, "unchanged": 8, "deleted": 1}
    assert history.query(
        "SELECT count(*) FROM analytics_netflix_current WHERE show_id <> 's' || substr(title, 7)"
    ) == [(0,)]
