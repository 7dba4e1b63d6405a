"""The guard: which changes pass, which stop the run, and how a person decides.

A change is implausible where it exceeds the limit in rows AND the one in percent. The defaults are
20 rows and 10 % deleted, 100 rows and 50 % updated, 1,000 rows and 50 % inserted; more than 20
titles and 5 % of all under another key than before count as renumbered.
"""

from pathlib import Path

import pytest
from conftest import PROJECT, Pipeline, catalogue, title
from histories import History

from errors import Refused, StateError
from ingest import manifest


def titles(count: int, first: int = 1) -> list[dict[str, str]]:
    return [title(number) for number in range(first, first + count)]


def changed(count: int, **values: str) -> list[dict[str, str]]:
    """1,200 titles, the first `count` of them with other values."""
    return [title(number, **values) for number in range(1, count + 1)] + titles(
        1200 - count, count + 1
    )


def renumbered(count: int, of: int) -> list[dict[str, str]]:
    """`of` titles, the first `count` of which swapped their ids in a ring."""
    return [
        title(number) | {"show_id": f"s{number % count + 1}" if number <= count else f"s{number}"}
        for number in range(1, of + 1)
    ]


# name: (titles before, the next snapshot, what it stops with or "")
TABLE = {
    "nothing changes": (300, titles(300), ""),
    "1 % dropped": (300, titles(297), ""),
    "9 % dropped": (300, titles(273), ""),
    "10 % dropped is the limit": (300, titles(270), ""),
    "11 % dropped": (300, titles(267), "deletes 33 of 300 titles (11.0 %)"),
    "50 % dropped": (300, titles(150), "deletes 150 of 300 titles (50.0 %)"),
    "100 % dropped, for others": (300, titles(300, 1001), "deletes 300 of 300 titles (100.0 %)"),
    "20 rows dropped, but half of all": (40, titles(20), ""),
    "21 rows dropped": (40, titles(19), "deletes 21 of 40 titles (52.5 %)"),
    "a few updated": (1200, changed(12, rating="R"), ""),
    "50 % updated is the limit": (1200, changed(600, rating="R"), ""),
    "51 % updated": (1200, changed(612, rating="R"), "updates 612 of 1,200 titles (51.0 %)"),
    "all descriptions changed": (
        1200,
        changed(1200, description="New."),
        "updates 1,200 of 1,200 titles (100.0 %)",
    ),
    "all updated, but only 100 rows": (100, [title(n, rating="R") for n in range(1, 101)], ""),
    "all of 101 rows updated": (
        101,
        [title(n, rating="R") for n in range(1, 102)],
        "updates 101 of 101 titles (100.0 %)",
    ),
    "1,000 rows inserted, ten times as many": (100, titles(1100), ""),
    "1,001 rows inserted": (100, titles(1101), "inserts 1,001 of 100 titles (1001.0 %)"),
    "50 % inserted is the limit": (2200, titles(3300), ""),
    "all renumbered": (
        300,
        renumbered(300, of=300),
        "300 of 300 titles came under another id",
    ),
    "all shifted by one": (
        300,
        [title(n) | {"show_id": f"s{n + 1}"} for n in range(1, 301)],
        "300 of 300 titles came under another id",
    ),
    "all under new ids": (
        300,
        [title(n) | {"show_id": f"n{n}"} for n in range(1, 301)],
        "300 of 300 titles came under another id",
    ),
    "20 titles renumbered is the limit": (300, renumbered(20, of=300), ""),
    "21 titles renumbered": (
        300,
        renumbered(21, of=300),
        "21 of 300 titles came under another id",
    ),
    "5 % renumbered is the limit": (600, renumbered(30, of=600), ""),
    "many titles renamed, none elsewhere": (
        300,
        [title(n, title=f"Titel {n}" if n <= 90 else f"Title {n}") for n in range(1, 301)],
        "",
    ),
    "remade under new ids, of another year": (
        300,
        [title(n, release_year="1999") | {"show_id": f"s{n + 1}"} for n in range(1, 301)],
        "updates 299 of 300 titles (99.7 %)",
    ),
}


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> dict[int, History]:
    """Histories of one snapshot, by its number of titles."""
    made = {}
    for count in {before for before, _, _ in TABLE.values()}:
        made[count] = History(tmp_path_factory.mktemp(f"titles-{count}"))
        made[count].take(titles(count), 1)
    return made


@pytest.mark.parametrize("name", TABLE)
def test_the_guards_verdict(catalogues, name: str):
    count, rows, expected = TABLE[name]
    history = catalogues[count]
    before = history.content()
    batch = history.land(rows, 2)
    try:
        if expected:
            with pytest.raises(Refused) as refusal:
                history.merge()
            assert expected in str(refusal.value)
            assert f"make run-all ACCEPT={batch.source_sha256[:12]}" in str(refusal.value)
        else:
            assert history.merge(keep=False).message.startswith("+")
        assert history.content() == before
    finally:  # the next case starts from the first snapshot again
        history.forget(1)


def test_a_first_load_is_never_stopped(tmp_path: Path):
    History(tmp_path).take(titles(1500), 1)


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({"MAX_DELETED_ROWS": "1", "MAX_DELETED_PCT": "0"}, True),
        ({"MAX_DELETED_ROWS": "2", "MAX_DELETED_PCT": "0"}, False),
        ({"MAX_DELETED_ROWS": "1", "MAX_DELETED_PCT": "20"}, False),
    ],
)
def test_the_limits_are_settings(tmp_path: Path, settings: dict[str, str], stops: bool):
    history = History(tmp_path, **settings)
    history.take(titles(10), 1)
    history.land(titles(8), 2)
    if stops:
        with pytest.raises(Refused, match="allowed are 1 and 0 %"):
            history.merge()
    else:
        history.merge()


def test_the_guard_does_not_count_quarantined_records_as_deletions(tmp_path: Path):
    history = History(tmp_path)
    history.take(titles(100), 1)
    broken = [row | {"type": "Opera"} for row in titles(50)]
    history.land([*broken, *titles(50, 51)], 2)
    history.merge(MAX_QUARANTINED_ROWS="50")
    assert history.query("SELECT deleted, carried FROM ops_merges ORDER BY 1, 2") == [
        (0, 0),
        (0, 50),
    ]


# --- what a refusal leaves behind, and what ACCEPT does, as the user meets it ---------------------

BAD, GOOD = titles(10), titles(41)


def deliver(pipeline: Pipeline, rows: list[dict[str, str]], **settings: str):
    """Land, stage and merge a file; return the merge's result."""
    landed = pipeline.land(catalogue(*rows), **settings)
    assert landed.returncode == 0, landed.stderr
    return pipeline.step("06_merge_cdc", **settings)


def history_of(pipeline: Pipeline) -> dict[str, list[tuple]]:
    """The content of the history, with batches named by their order, for they carry their time."""
    order = "(SELECT batch_id, row_number() OVER (ORDER BY snapshot_at) AS n FROM ops_merges)"
    return {
        "versions": pipeline.query(
            "SELECT title_id, title, operation, a.n, b.n, is_current, end_operation, source_line "
            f"FROM analytics_netflix_history AS history JOIN {order} AS a USING (batch_id) "
            f"LEFT JOIN {order} AS b ON b.batch_id = history.end_batch_id ORDER BY ALL"
        ),
        "merges": pipeline.query(
            "SELECT previous_rows, inserted, reappeared, updated, deleted, unchanged, carried, "
            "current_rows FROM ops_merges ORDER BY snapshot_at"
        ),
    }


def test_a_refusal_ends_with_20_says_why_and_changes_nothing(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    assert pipeline.land(catalogue(*BAD)).returncode == 0
    before = pipeline.tables()
    refused = pipeline.step("06_merge_cdc")
    batch = pipeline.batches()[-1]
    assert refused.returncode == 20
    assert refused.stderr == (
        "merge     stopped: the file deletes 30 of 40 titles (75.0 %); allowed are 20 and 10 %.\n"
        "  See it with `make plan`; if it is right: "
        f"make run-all ACCEPT={batch['source_sha256'][:12]}\n"
        f"  With what was given: make run-all ACCEPT={batch['source_sha256'][:12]} "
        f"DATA_DIR={pipeline.root}/data WAREHOUSE_PATH={pipeline.root}/dw.db "
        f"LOG_DIR={pipeline.root}/logs DUCKDB_THREADS=1\n"
        "          Nothing was changed.\n"
    )
    assert pipeline.tables() == before
    assert pipeline.decisions()[1:] == [(batch["batch_id"], "refused")]
    assert pipeline.step("06_merge_cdc").returncode == 20, "it is judged again, and alike"
    assert pipeline.tables() == before
    assert pipeline.decisions()[1:] == [(batch["batch_id"], "refused")]


def test_accept_lets_that_file_pass_once_and_no_other(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    assert deliver(pipeline, BAD).returncode == 20
    bad = pipeline.batches()[-1]
    code = bad["source_sha256"][:12]
    assert pipeline.step("06_merge_cdc", ACCEPT="0" * 12).returncode == 20
    accepted = pipeline.step("06_merge_cdc", ACCEPT=code)
    assert accepted.returncode == 0, accepted.stderr
    assert pipeline.query("SELECT deleted, accepted FROM ops_merges ORDER BY snapshot_at") == [
        (0, False),
        (30, True),
    ]
    judged = [(bad["batch_id"], "refused"), (bad["batch_id"], "accepted")]
    assert pipeline.decisions()[1:] == judged
    before = pipeline.tables()
    assert pipeline.step("06_merge_cdc", ACCEPT=code).returncode == 0
    assert pipeline.tables() == before, "a merged batch is a no-op"

    assert deliver(pipeline, GOOD).returncode == 0
    other = deliver(pipeline, titles(9), ACCEPT=code)
    assert (other.returncode, code in other.stderr) == (20, False)
    again = deliver(pipeline, BAD)  # the same bytes come again: another snapshot, judged again
    assert (again.returncode, pipeline.batches()[-1]["source_sha256"][:12]) == (20, code)


@pytest.mark.slow
def test_a_refused_file_leaves_no_trace_in_the_history(pipeline, loaded_once, tmp_path_factory):
    undisturbed = Pipeline(tmp_path_factory.mktemp("undisturbed")).copy_of(loaded_once)
    assert deliver(undisturbed, GOOD).returncode == 0

    pipeline.copy_of(loaded_once)
    assert deliver(pipeline, BAD).returncode == 20
    assert deliver(pipeline, GOOD).returncode == 0
    assert history_of(pipeline) == history_of(undisturbed)
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0

    # Accepted after all, it takes the place that its time gives it.
    bad = next(b for b in pipeline.batches() if b["records"] == len(BAD))
    late = pipeline.step("06_merge_cdc", ACCEPT=bad["source_sha256"][:12])
    assert (late.returncode, "rebuilt from 3 snapshots" in late.stdout) == (0, True)
    assert history_of(pipeline)["merges"] == [
        (0, 40, 0, 0, 0, 0, 0, 40),
        (40, 0, 0, 0, 30, 10, 0, 10),
        (10, 1, 30, 0, 0, 10, 0, 41),
    ]
    assert pipeline.step("06_merge_cdc").returncode == 0, "without ACCEPT it stays accepted"
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0


@pytest.mark.slow
def test_an_implausible_late_file_stops_its_run(pipeline):
    assert deliver(pipeline, titles(40), SNAPSHOT_AT="2020-01-01").returncode == 0
    assert deliver(pipeline, GOOD, SNAPSHOT_AT="2020-01-03").returncode == 0
    before = history_of(pipeline)
    late = deliver(pipeline, BAD, SNAPSHOT_AT="2020-01-02")
    assert late.returncode == 20, late.stderr
    assert "stopped: the file deletes 30 of 40 titles" in late.stderr
    assert history_of(pipeline) == before
    quiet = pipeline.step("06_merge_cdc")
    assert (quiet.returncode, quiet.stderr, "merged already" in quiet.stdout) == (0, "", True)
    left_out = pipeline.batches()[-1]["batch_id"]
    assert f"batch_id={left_out}" in pipeline.step("07_monitor_pipeline").stderr
    status = pipeline.python(str(PROJECT / "python" / "operations" / "status.py")).stdout
    assert f"batch_id={left_out}" in status
    again = deliver(pipeline, BAD, SNAPSHOT_AT="2020-01-02")
    assert again.returncode == 20, "it is asked for again"
    accepted = pipeline.step("06_merge_cdc", ACCEPT=left_out[-12:])
    assert (accepted.returncode, "3 snapshots" in accepted.stdout) == (0, True), accepted.stderr
    assert "left_out" not in pipeline.step("07_monitor_pipeline").stderr


def test_other_limits_judge_the_newest_file_again(pipeline, loaded_once):
    pipeline.copy_of(loaded_once)
    assert deliver(pipeline, BAD).returncode == 20
    assert pipeline.step("06_merge_cdc", MAX_DELETED_ROWS="30").returncode == 0
    assert [verdict for _, verdict in pipeline.decisions()[1:]] == ["refused", "passed"]
    assert pipeline.step("06_merge_cdc").returncode == 0
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(10,)]


@pytest.mark.parametrize("damage", ["missing", "damaged"])
@pytest.mark.parametrize("at", [1, 3], ids=["merged", "waiting"])
def test_an_unreadable_snapshot_stops_the_replay_and_records_no_verdict(
    tmp_path: Path, damage: str, at: int
):
    """If it were left out like a refused one, its changes would vanish from the history."""
    history = History(tmp_path)
    for day in (1, 2, 5):
        history.take(titles(10 + day), day)
    lost = history.land(titles(13), 3) if at == 3 else manifest.read_batches(history.settings)[0]
    history.land(titles(14), 4)  # comes late, so all is replayed
    before = history.content()
    path = history.settings.snapshots / lost.parquet
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:-1])
    decisions = sorted(history.settings.decisions.iterdir())
    with pytest.raises(StateError, match=f"{lost.parquet} is {damage}"):
        history.merge()
    assert history.content() == before
    assert sorted(history.settings.decisions.iterdir()) == decisions

    path.write_bytes(whole)
    assert "rebuilt" in history.merge().message
    assert history.query("SELECT count(*) FROM analytics_netflix_current") == [(15,)]


# --- a renumbered source, merged by title ---------------------------------------------------------


def versions(history: History) -> list[tuple]:
    """(title_id as a letter in order of appearance, show_id, title, operation, days, end)."""
    rows = history.query(
        "SELECT title_id, show_id, title, operation, day(valid_from), day(valid_to), end_operation "
        "FROM analytics_netflix_history ORDER BY valid_from, title, show_id"
    )
    letters: dict[str, str] = {}
    return [(letters.setdefault(row[0], "abcdefgh"[len(letters)]), *row[1:]) for row in rows]


def ambiguous(history: History) -> list[tuple]:
    return history.query("SELECT business_key, title FROM ops_ambiguous_matches ORDER BY 1")


@pytest.mark.slow
def test_by_title_a_renumbered_source_continues_its_history(pipeline):
    assert deliver(pipeline, titles(60), CDC_KEY="show_id").returncode == 0
    shifted = [title(n) | {"show_id": f"s{n + 1}"} for n in range(1, 61)]
    refused = deliver(pipeline, shifted)
    assert refused.returncode == 20
    assert (
        "show_id was renumbered: 60 of 60 titles came under another id" in refused.stderr
        and "CDC_KEY=title" in refused.stderr
        and "'Title 1': s1 is now s2" in refused.stderr
    )
    by_title = pipeline.step("06_merge_cdc", CDC_KEY="title")
    assert by_title.returncode == 0, by_title.stderr
    assert pipeline.query(
        "SELECT inserted, updated, deleted, carried FROM ops_merges ORDER BY snapshot_at"
    ) == [(60, 0, 0, 0), (0, 0, 0, 0)]
    assert pipeline.query("FROM cdc_netflix_changes WHERE operation <> 'insert'") == []
    assert pipeline.query(
        "SELECT count(DISTINCT title_id), count(*), min(show_id) FROM analytics_netflix_history"
    ) == [(60, 60, "s10")]
    assert pipeline.step("10_rebuild_warehouse", "--verify", CDC_KEY="title").returncode == 0


@pytest.mark.slow
def test_by_title_a_file_refused_by_id_is_merged_at_its_time(tmp_path: Path):
    """Several nights of renumbered files may pass before somebody switches the key."""
    history = History(tmp_path)
    history.take(titles(30), 1)
    for day in (2, 3):
        with pytest.raises(Refused, match="renumbered"):
            history.take([title(n) | {"show_id": f"s{n + day}"} for n in range(1, 31)], day)
    assert "3 snapshots" in history.merge(CDC_KEY="title").message
    assert history.query("SELECT unchanged FROM ops_merges ORDER BY snapshot_at") == [
        (0,),
        (30,),
        (30,),
    ]
    assert "merged already" in history.merge(CDC_KEY="title").message

    with pytest.raises(Refused, match="renumbered"):
        history.merge(CDC_KEY="show_id")
    history.take(titles(31), 4, CDC_KEY="show_id")  # by id, both are left out as before
    assert history.query("SELECT day(snapshot_at), inserted, updated FROM ops_merges") == [
        (1, 30, 0),
        (4, 1, 0),
    ]


def test_by_title_spelling_does_not_matter_and_real_changes_are_updates(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    history.take([title(1, title="Amélie: A Tale"), title(2)], 1)
    history.take([title(5, title="Amelie - a tale"), title(6, title="Title 2", rating="R")], 2)
    assert versions(history) == [
        ("a", "s1", "Amélie: A Tale", "insert", 1, 2, "update"),
        ("b", "s2", "Title 2", "insert", 1, 2, "update"),
        ("a", "s5", "Amelie - a tale", "update", 2, None, None),
        ("b", "s6", "Title 2", "update", 2, None, None),
    ]
    assert ambiguous(history) == []


def test_by_title_people_break_ties(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    history.take([title(1, title="Love", cast="A"), title(2, title="Love", cast="B")], 1)
    history.take([title(2, title="Love", cast="A"), title(3, title="Love", cast="B")], 2)
    assert versions(history) == [
        ("a", "s1", "Love", "insert", 1, 2, "update"),
        ("b", "s2", "Love", "insert", 1, 2, "update"),
        ("a", "s2", "Love", "update", 2, None, None),
        ("b", "s3", "Love", "update", 2, None, None),
    ]


def test_by_title_type_and_year_tell_titles_apart(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    movie, show = title(1, title="Fargo"), title(2, title="Fargo", type="TV Show")
    remake = title(3, title="Fargo", release_year="2021")
    history.take([movie, show, remake], 1)
    renamed = [show | {"show_id": "s7"}, remake | {"show_id": "s8"}, movie | {"show_id": "s9"}]
    history.take([row | {"rating": "R"} for row in renamed], 2)
    assert versions(history)[3:] == [
        ("b", "s7", "Fargo", "update", 2, None, None),
        ("c", "s8", "Fargo", "update", 2, None, None),
        ("a", "s9", "Fargo", "update", 2, None, None),
    ]


def test_by_title_an_ambiguous_record_is_reported_and_changes_nothing(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    twins = [title(1, title="Twins", description="x"), title(2, title="Twins", description="x")]
    history.take([*twins, title(3)], 1)
    moved = [row | {"show_id": f"s{at}", "rating": "R"} for at, row in enumerate(twins, 7)]
    history.take([*moved, title(9, title="Title 3")], 2)
    assert versions(history) == [
        ("a", "s3", "Title 3", "insert", 1, 2, "update"),
        ("b", "s1", "Twins", "insert", 1, None, None),
        ("c", "s2", "Twins", "insert", 1, None, None),
        ("a", "s9", "Title 3", "update", 2, None, None),
    ]
    assert ambiguous(history) == [("s7", "Twins"), ("s8", "Twins")]
    assert history.query("SELECT carried, deleted FROM ops_merges ORDER BY snapshot_at") == [
        (0, 0),
        (2, 0),
    ]


def test_by_title_a_title_corrected_under_its_id_is_an_update(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    history.take([title(1), title(2)], 1)
    history.take([title(1, title="Titel 1", description="Another text."), title(2)], 2)
    assert versions(history) == [
        ("a", "s1", "Title 1", "insert", 1, 2, "update"),
        ("b", "s2", "Title 2", "insert", 1, None, None),
        ("a", "s1", "Titel 1", "update", 2, None, None),
    ]


def test_by_title_a_reused_id_is_a_new_title(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    history.take([title(1), title(2)], 1)
    history.take([title(1, title="New", cast="Somebody Else", description="Else."), title(2)], 2)
    assert versions(history) == [
        ("a", "s1", "Title 1", "insert", 1, 2, "delete"),
        ("b", "s2", "Title 2", "insert", 1, None, None),
        ("c", "s1", "New", "insert", 2, None, None),
    ]


def test_by_title_missing_people_and_descriptions_match_nothing(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    bare = {"cast": "", "description": ""}
    history.take([title(1, **bare), title(2)], 1)
    history.take([title(1, title="New", **bare), title(2)], 2)
    assert versions(history) == [
        ("a", "s1", "Title 1", "insert", 1, 2, "delete"),
        ("b", "s2", "Title 2", "insert", 1, None, None),
        ("c", "s1", "New", "insert", 2, None, None),
    ]


def test_by_title_a_title_that_was_gone_comes_back_under_another_id(tmp_path: Path):
    history = History(tmp_path, CDC_KEY="title")
    history.take([title(1), title(2)], 1)
    history.take([title(2)], 2)
    history.take([title(2), title(8, title="Title 1")], 3)
    assert versions(history) == [
        ("a", "s1", "Title 1", "insert", 1, 2, "delete"),
        ("b", "s2", "Title 2", "insert", 1, None, None),
        ("a", "s8", "Title 1", "reappear", 3, None, None),
    ]


def test_by_title_one_record_never_continues_two_titles(tmp_path: Path):
    """s1 stands for a twin that was left as it was, and for its sequel; then that is corrected."""
    history = History(tmp_path, CDC_KEY="title")
    same = {"title": "Twins", "description": "x"}
    sequel = {"title": "Twins 2", "description": "y"}
    history.take([title(1, **same), title(2, **same), title(3, **sequel)], 1)
    history.take([title(7, **same), title(8, **same), title(1, **sequel)], 2)
    history.take([title(7, **same), title(8, **same), title(1, title="Twins II")], 3)
    assert history.query(
        "SELECT business_key, count(*) FROM analytics_netflix_history "
        "WHERE valid_from = TIMESTAMP '2020-01-03 00:00:00' GROUP BY business_key"
    ) == [("s1", 1)]
    assert history.query(
        "SELECT title, count(*) FROM analytics_netflix_current GROUP BY title ORDER BY title"
    ) == [("Twins", 2), ("Twins II", 1)]
