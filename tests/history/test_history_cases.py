"""What a sequence of snapshots makes of the history: one named case each, whole result compared.

A snapshot is a dictionary key -> title (or a list of raw CSV lines); days count from 1. A version
is (key, title, operation, from day, to day, how it ended).
"""

import os
from dataclasses import dataclass, field

import pytest
from conftest import LANDING, PROJECT, Pipeline, catalogue
from conftest import title as make_title

HEADER = "show_id,type,title,director,release_year"


def line(key: str, title: str, director: str = "", kind: str = "Movie", year: str = "2020") -> str:
    quoted = '"' + title.replace('"', '""') + '"' if set(title) & set(',"\n') else title
    who = '"' + director + '"' if "," in director else director
    return f"{key},{kind},{quoted},{who},{year}"


@dataclass
class Case:
    days: list  # one dict or list of lines per day; None: nothing is delivered that day
    versions: list[tuple]
    changes: list[tuple] = field(default_factory=list)  # updates only: (day, key, column, old, new)
    settings: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)  # day -> another header line
    contracts: dict = field(default_factory=dict)  # day -> (old text, new text) in the contract


AB = {"s1": "A", "s2": "B"}
A_OPEN, B_OPEN = ("s1", "A", "insert", 1, None, None), ("s2", "B", "insert", 1, None, None)
CASES = {
    "unchanged": Case([AB, AB], [A_OPEN, B_OPEN]),
    "inserted": Case([{"s1": "A"}, AB], [A_OPEN, ("s2", "B", "insert", 2, None, None)]),
    "updated": Case(
        [AB, {"s1": "A2", "s2": "B"}],
        [("s1", "A", "insert", 1, 2, "update"), ("s1", "A2", "update", 2, None, None), B_OPEN],
        [(2, "s1", "title", "A", "A2")],
    ),
    "deleted": Case([AB, {"s1": "A"}], [A_OPEN, ("s2", "B", "insert", 1, 2, "delete")]),
    "re-appears as it was": Case(
        [AB, {"s1": "A"}, AB],
        [A_OPEN, ("s2", "B", "insert", 1, 2, "delete"), ("s2", "B", "reappear", 3, None, None)],
    ),
    "re-appears changed": Case(
        [AB, {"s1": "A"}, {"s1": "A", "s2": "B2"}],
        [A_OPEN, ("s2", "B", "insert", 1, 2, "delete"), ("s2", "B2", "reappear", 3, None, None)],
    ),
    "flips back to an older value": Case(
        [{"s1": "A"}, {"s1": "A2"}, {"s1": "A"}],
        [
            ("s1", "A", "insert", 1, 2, "update"),
            ("s1", "A", "update", 3, None, None),
            ("s1", "A2", "update", 2, 3, "update"),
        ],
        [(2, "s1", "title", "A", "A2"), (3, "s1", "title", "A2", "A")],
    ),
    "NULL and empty are the same": Case(
        [[line("s1", "A", "")], [line("s1", "A", '""').replace('""""', '""')]], [A_OPEN]
    ),
    "a value is filled in": Case(
        [[line("s1", "A", "")], [line("s1", "A", "D")]],
        [("s1", "A", "insert", 1, 2, "update"), ("s1", "A", "update", 2, None, None)],
        [(2, "s1", "director", None, "D")],
    ),
    "only blanks changed": Case(
        [{"s1": "A b"}, {"s1": " A  b\u00a0"}], [("s1", "A b", *A_OPEN[2:])]
    ),
    "only the order of rows changed": Case([AB, {"s2": "B", "s1": "A"}], [A_OPEN, B_OPEN]),
    "only the order of columns changed": Case(
        [{"s1": "A"}, ["2020,,A,Movie,s1"]],
        [A_OPEN],
        headers={2: "release_year,director,title,type,show_id"},
    ),
    "equal duplicates collapse": Case([{"s1": "A"}, [line("s1", "A"), line("s1", " A")]], [A_OPEN]),
    "conflicting duplicates keep the last good version": Case(
        [AB, [line("s1", "A"), line("s1", "X"), line("s2", "B")]], [A_OPEN, B_OPEN]
    ),
    "a record without key is no title": Case(
        [{"s1": "A"}, [line("s1", "A"), line("", "C")]], [A_OPEN]
    ),
    "a record that lost its key is no deletion": Case(
        [AB, [line("s1", "A"), line("", "B")]], [A_OPEN, B_OPEN]
    ),
    "quarantined, then healed as it was": Case(
        [AB, [line("s1", "A"), line("s2", "B", kind="Opera")], AB], [A_OPEN, B_OPEN]
    ),
    "quarantined, then healed changed": Case(
        [AB, [line("s1", "A"), line("s2", "", kind="Movie")], {"s1": "A", "s2": "B2"}],
        [A_OPEN, ("s2", "B", "insert", 1, 3, "update"), ("s2", "B2", "update", 3, None, None)],
        [(3, "s2", "title", "B", "B2")],
    ),
    "quarantined, then gone": Case(
        [AB, [line("s1", "A"), line("s2", "B", year="9999")], {"s1": "A"}],
        [A_OPEN, ("s2", "B", "insert", 1, 3, "delete")],
    ),
    "quarantined on its first day": Case(
        [[line("s1", "A"), line("s2", "B", kind="Opera")], AB],
        [A_OPEN, ("s2", "B", "insert", 2, None, None)],
    ),
    "gone, then quarantined: what is gone is not carried": Case(
        [AB, {"s1": "A"}, [line("s1", "A"), line("s2", "B", kind="Opera")]],
        [A_OPEN, ("s2", "B", "insert", 1, 2, "delete")],
    ),
    "conflicting duplicates, then only one of them": Case(
        [AB, [line("s1", "A"), line("s1", "X"), line("s2", "B")], {"s1": "X", "s2": "B"}],
        [
            ("s1", "A", "insert", 1, 3, "update"),
            ("s1", "X", "update", 3, None, None),
            B_OPEN,
        ],
        [(3, "s1", "title", "A", "X")],
    ),
    "a record that does not fit the header is no deletion": Case(
        [AB, ["s2,Movie,B", line("s1", "A")]], [A_OPEN, B_OPEN]
    ),
    "a record with an open quote is no deletion": Case(
        [AB, ['s2,Movie,"B,,2020', line("s1", "A")]], [A_OPEN, B_OPEN]
    ),
    "a value moves over a separator": Case(
        [[line("s1", "a,b", "c")], [line("s1", "a", "b, c")]],
        [("s1", "a", "update", 2, None, None), ("s1", "a,b", "insert", 1, 2, "update")],
        [(2, "s1", "director", "c", "b, c"), (2, "s1", "title", "a,b", "a")],
    ),
    "case is content": Case(
        [{"s1": "A"}, {"s1": "a"}],
        [("s1", "A", "insert", 1, 2, "update"), ("s1", "a", "update", 2, None, None)],
        [(2, "s1", "title", "A", "a")],
    ),
    "the order of a list is content": Case(
        [[line("s1", "A", "X, Y")], [line("s1", "A", "Y, X")]],
        [("s1", "A", "insert", 1, 2, "update"), ("s1", "A", "update", 2, None, None)],
        [(2, "s1", "director", "X, Y", "Y, X")],
    ),
    "blanks and stray commas of a list are not": Case(
        [[line("s1", "A", "X, Y")], [line("s1", "A", ", X,Y ,")]], [A_OPEN]
    ),
    "one is deleted, another of the same title comes": Case(
        [{"s1": "A"}, {"s9": "A"}],
        [("s1", "A", "insert", 1, 2, "delete"), ("s9", "A", "insert", 2, None, None)],
    ),
    "one is deleted and another renamed to its title": Case(
        [AB, {"s2": "A"}],
        [
            ("s1", "A", "insert", 1, 2, "delete"),
            ("s2", "A", "update", 2, None, None),
            ("s2", "B", "insert", 1, 2, "update"),
        ],
        [(2, "s2", "title", "B", "A")],
    ),
    "two swap their titles": Case(
        [AB, {"s1": "B", "s2": "A"}],
        [
            ("s1", "A", "insert", 1, 2, "update"),
            ("s1", "B", "update", 2, None, None),
            ("s2", "A", "update", 2, None, None),
            ("s2", "B", "insert", 1, 2, "update"),
        ],
        [(2, "s1", "title", "A", "B"), (2, "s2", "title", "B", "A")],
    ),
    "a key in other letters is another key": Case(
        [{"s1": "A"}, {"S1": "A"}],
        [("S1", "A", "insert", 2, None, None), ("s1", "A", "insert", 1, 2, "delete")],
    ),
    "everything at once": Case(
        [AB, {"s1": "A2", "s3": "C"}],
        [
            ("s1", "A", "insert", 1, 2, "update"),
            ("s1", "A2", "update", 2, None, None),
            ("s2", "B", "insert", 1, 2, "delete"),
            ("s3", "C", "insert", 2, None, None),
        ],
        [(2, "s1", "title", "A", "A2")],
    ),
    "a column is added to the file": Case(
        [["s1,Movie,A,2020", "s2,Movie,B,2020"], [line("s1", "A", "D"), line("s2", "B2", "D")]],
        [
            ("s1", "A", "insert", 1, 2, "update"),
            ("s1", "A", "fill", 2, None, None),
            ("s2", "B", "insert", 1, 2, "update"),
            ("s2", "B2", "update", 2, None, None),
        ],
        [
            (2, "s1", "director", None, "D"),
            (2, "s2", "director", None, "D"),
            (2, "s2", "title", "B", "B2"),
        ],
        headers={1: "show_id,type,title,release_year"},
    ),
    "a column is added while a title is set aside": Case(
        [
            ["s1,Movie,A,2020", "s2,Movie,B,2020"],
            [line("s1", "A", "D"), line("s2", "B", "D", kind="Opera")],
            [line("s1", "A", "D"), line("s2", "B", "D")],
        ],
        [
            ("s1", "A", "insert", 1, 2, "update"),
            ("s1", "A", "fill", 2, None, None),
            ("s2", "B", "insert", 1, 3, "update"),
            ("s2", "B", "update", 3, None, None),
        ],
        [(2, "s1", "director", None, "D"), (3, "s2", "director", None, "D")],
        headers={1: "show_id,type,title,release_year"},
    ),
    "a column is taken out of the file": Case(
        [[line("s1", "A", "D")], ["s1,Movie,A,2020"]],
        [A_OPEN],
        headers={2: "show_id,type,title,release_year"},
    ),
    "a column comes under an alias": Case(
        [{"s1": "A"}, {"s1": "A"}], [A_OPEN], headers={2: HEADER.replace("show_id", "ID")}
    ),
    "a column is no longer tracked": Case(
        [[line("s1", "A", "X")], [line("s1", "A", "Y")]],
        [A_OPEN],
        contracts={2: ("[columns.director]", "[columns.director]\ntracked = false")},
    ),
    "an untracked column changes": Case(
        [[line("s1", "A", "X")], [line("s1", "A", "Y")]],
        [A_OPEN],
        contracts={
            day: ("[columns.director]", "[columns.director]\ntracked = false") for day in (1, 2)
        },
    ),
    "a column becomes tracked": Case(
        [[line("s1", "A", "X")], [line("s1", "A", "X")], [line("s1", "A", "Y")]],
        [("s1", "A", "insert", 1, 3, "update"), ("s1", "A", "update", 3, None, None)],
        [(3, "s1", "director", "X", "Y")],
        contracts={1: ("[columns.director]", "[columns.director]\ntracked = false")},
    ),
    "a composite key": Case(
        [
            [line("s1", "A"), line("s1", "A", year="2021")],
            [line("s1", "A", "D"), line("s1", "A", year="2021")],
        ],
        [
            ("s1\x1f2020", "A", "insert", 1, 2, "update"),
            ("s1\x1f2020", "A", "update", 2, None, None),
            ("s1\x1f2021", "A", "insert", 1, None, None),
        ],
        [(2, "s1\x1f2020", "director", None, "D")],
        contracts={
            day: ("[columns.release_year]", "[columns.release_year]\nkey = true") for day in (1, 2)
        },
    ),
    "half a composite key in a rejected record is another's": Case(
        [
            [line("s1", "A"), line("s2", "B", year="2021")],
            ["s9,Movie,C,2020", line("s2", "B", year="2021")],
        ],
        [
            ("s1\x1f2020", "A", "insert", 1, 2, "delete"),
            ("s2\x1f2021", "B", "insert", 1, None, None),
        ],
        contracts={
            day: ("[columns.release_year]", "[columns.release_year]\nkey = true") for day in (1, 2)
        },
    ),
    "an unknown value in a key is another's key": Case(
        [AB, [line("s9", "A", kind="Opera"), line("s2", "B")]],
        [
            ("s1\x1fMovie", "A", "insert", 1, 2, "delete"),
            ("s2\x1fMovie", "B", "insert", 1, None, None),
        ],
        contracts={day: ("[columns.type]", "[columns.type]\nkey = true") for day in (1, 2)},
    ),
}
LIMITS = {"MAX_REJECTED_ROWS": "9", "MAX_DELETED_ROWS": "99", "MAX_UPDATED_ROWS": "99"}


def deliver(pipeline: Pipeline, case: Case, day: int) -> None:
    """Land, stage and merge what comes on that day."""
    content = case.days[day - 1]
    lines = [line(k, t) for k, t in content.items()] if isinstance(content, dict) else content
    text = "\n".join([case.headers.get(day, HEADER), *lines]) + "\n"
    settings = {**LIMITS, **case.settings, "SNAPSHOT_AT": f"2020-01-{day:02}"}
    if day in case.contracts:
        contract = (PROJECT / "sql" / "contract.toml").read_text()
        settings["CONTRACT_PATH"] = str(pipeline.root / "contract.toml")
        (pipeline.root / "contract.toml").write_text(contract.replace(*case.contracts[day]))
    last = day == len(case.days)  # the days before it wait, and are merged by replay
    path = pipeline.root / f"day{day}.csv"
    path.write_text(text, encoding="utf-8")
    os.utime(path, (0, 0))
    for step in ("02_create_raw_layer", *(LANDING[1:] if last else ()), "06_merge_cdc"):
        done = pipeline.step(step, **settings, NETFLIX_CSV=str(path))
        assert done.returncode == 0, done.stderr


def versions(pipeline: Pipeline) -> list[tuple]:
    return pipeline.query(
        "SELECT title_id, title, operation, day(valid_from), day(valid_to), end_operation "
        "FROM analytics_netflix_history ORDER BY title_id, title, valid_from"
    )


def updates(pipeline: Pipeline) -> list[tuple]:
    return pipeline.query(
        "SELECT day(changed_at), title_id, column_name, old_value, new_value "
        "FROM cdc_netflix_changes WHERE column_name IS NOT NULL ORDER BY ALL"
    )


def check_invariants(pipeline: Pipeline) -> None:
    """One open version per title, no overlap, no version that ends before it begins."""
    broken = pipeline.query(
        """
        SELECT title_id, valid_from FROM (
            SELECT *, lead(valid_from) OVER (PARTITION BY title_id ORDER BY valid_from) AS next_from
            FROM analytics_netflix_history
        )
        WHERE next_from < valid_to OR valid_to <= valid_from OR is_current <> (valid_to IS NULL)
            OR (next_from IS NOT NULL AND valid_to IS NULL)
        """
    )
    assert broken == []


@pytest.mark.parametrize("name", CASES)
def test_history_of(pipeline, name):
    case = CASES[name]
    for day in range(1, len(case.days) + 1):
        deliver(pipeline, case, day)
        check_invariants(pipeline)
    assert versions(pipeline) == sorted(case.versions, key=lambda v: (v[0], v[1], v[3]))
    assert updates(pipeline) == case.changes


def test_the_change_feed_has_every_change(pipeline):
    case = Case([AB, {"s1": "A2", "s3": "C"}, {"s1": "A2", "s2": "B2", "s3": "C"}], [])
    for day in (1, 2, 3):
        deliver(pipeline, case, day)
    assert pipeline.query(
        "SELECT day(changed_at), title_id, operation, column_name, old_value, new_value "
        "FROM cdc_netflix_changes ORDER BY changed_at, title_id"
    ) == [
        (1, "s1", "insert", None, None, "A"),
        (1, "s2", "insert", None, None, "B"),
        (2, "s1", "update", "title", "A", "A2"),
        (2, "s2", "delete", None, "B", None),
        (2, "s3", "insert", None, None, "C"),
        (3, "s2", "reappear", None, None, "B2"),
    ]
    assert (
        pipeline.query(
            "SELECT changes.title_id FROM cdc_netflix_changes AS changes "
            "ANTI JOIN ops_merges AS merges "
            "ON changes.batch_id = merges.batch_id AND changes.changed_at = merges.snapshot_at"
        )
        == []
    ), "a change is of the batch that brought it"


def test_the_same_bytes_again_change_nothing(pipeline):
    case = Case([AB], [])
    deliver(pipeline, case, 1)
    before = pipeline.tables()
    deliver(pipeline, case, 1)
    assert pipeline.tables() == before


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 3, 2)])
def test_a_late_snapshot_gives_the_history_of_one_in_time(pipeline, order):
    case = Case([AB, {"s1": "A2"}, {"s1": "A2", "s2": "B", "s3": "C"}], [])
    for day in order:
        deliver(pipeline, case, day)
    assert versions(pipeline) == [
        ("s1", "A", "insert", 1, 2, "update"),
        ("s1", "A2", "update", 2, None, None),
        ("s2", "B", "insert", 1, 2, "delete"),
        ("s2", "B", "reappear", 3, None, None),
        ("s3", "C", "insert", 3, None, None),
    ]
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0


def test_waiting_snapshots_are_merged_in_order(pipeline):
    for day, title in ((1, "A"), (2, "A2"), (3, "A3")):
        path = pipeline.root / "next.csv"
        path.write_text(f"{HEADER}\n{line('s1', title)}\n")
        landed = pipeline.step(
            "02_create_raw_layer", NETFLIX_CSV=str(path), SNAPSHOT_AT=f"2020-01-0{day}"
        )
        assert landed.returncode == 0, landed.stderr
    for step in ("03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql", "06_merge_cdc"):
        assert pipeline.step(step).returncode == 0
    assert versions(pipeline) == [
        ("s1", "A", "insert", 1, 2, "update"),
        ("s1", "A2", "update", 2, 3, "update"),
        ("s1", "A3", "update", 3, None, None),
    ]


def test_what_a_refused_night_staged_is_merged_by_the_next_one(pipeline):
    """Its staged rows are used again, under the batch that staged them."""
    whole = [make_title(1, rating="R"), *map(make_title, range(2, 41))]
    for day, records, code in (
        (1, [make_title(1), *whole[1:]], 0),
        (2, whole[:-1], 20),
        (3, [*whole, make_title(41)], 0),
    ):
        given = {"NETFLIX_CSV": pipeline.put(catalogue(*records)), "SNAPSHOT_AT": f"2020-01-0{day}"}
        strict = {"MAX_DELETED_ROWS": "0", "MAX_DELETED_PCT": "0"}
        assert pipeline.steps(*LANDING, "06_merge_cdc", **given, **strict).returncode == code
    changed = "SELECT operation FROM analytics_netflix_history WHERE show_id = 's1' ORDER BY 1"
    assert pipeline.query(changed) == [("insert",), ("update",)]
    assert pipeline.query("SELECT count(DISTINCT batch_id) FROM staging_parts") == [(3,)]


def test_the_catalogue_as_of_a_moment_and_the_changes_between_two(pipeline):
    case = Case([AB, {"s1": "A2"}], [])
    for day in (1, 2):
        deliver(pipeline, case, day)

    def as_of(moment: str) -> list[tuple]:
        return pipeline.query(
            f"SELECT show_id, title FROM catalog_as_of(TIMESTAMP '{moment}') ORDER BY show_id"
        )

    assert as_of("2019-12-31 23:59:59") == []
    assert as_of("2020-01-01 00:00:00") == [("s1", "A"), ("s2", "B")]
    assert as_of("2020-01-02 00:00:00") == [("s1", "A2")]
    assert pipeline.query(
        "SELECT title_id, operation FROM changes_between(TIMESTAMP '2020-01-01 00:00:00', "
        "TIMESTAMP '2020-01-02 00:00:00') ORDER BY title_id"
    ) == [("s1", "update"), ("s2", "delete")]
