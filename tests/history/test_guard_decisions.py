"""What follows from a verdict of the guard: replays, waiting files, another key, the plan.

test_guard.py has the table of verdicts; here every case is judged on 200 titles.
"""

import hashlib

import pytest
from conftest import Pipeline, catalogue, title

MERGE = "06_merge_cdc"
BY_TITLE = {"CDC_KEY": "title"}
TITLES = [title(number) for number in range(1, 201)]
HALF = TITLES[100:]
FEW = [{**TITLES[0], "rating": "R"}, *TITLES[2:]]  # one changed, one gone
REKEYED = [{**record, "show_id": f"x{record['show_id']}"} for record in TITLES]


def digest(records: list[dict]) -> str:
    return hashlib.sha256(catalogue(*records).encode()).hexdigest()[:12]


def night(pipeline: Pipeline, day: int, records: list[dict], **settings: str):
    """Land the records as the snapshot of that day and merge them; the merge replays from raw."""
    landed = pipeline.raw(catalogue(*records), SNAPSHOT_AT=f"2020-01-{day:02}")
    assert landed.returncode == 0, landed.stderr
    return pipeline.step(MERGE, **settings)


def merges(pipeline: Pipeline) -> list[tuple]:
    """(day, inserted, updated, deleted, accepted) of each merged snapshot."""
    return pipeline.query(
        "SELECT day(snapshot_at), inserted, updated, deleted, accepted FROM ops_merges ORDER BY 1"
    )


def verdicts(pipeline: Pipeline) -> list[tuple]:
    """(day, verdict) of each decision."""
    return [(int(batch_id[6:8]), verdict) for batch_id, verdict in pipeline.decisions()]


def verified(pipeline: Pipeline) -> bool:
    return pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0


def versions(pipeline: Pipeline) -> list[tuple]:
    return pipeline.query("SELECT * FROM analytics_netflix_history ORDER BY title_id, valid_from")


@pytest.fixture(scope="module")
def first_load(tmp_path_factory) -> Pipeline:
    loaded = Pipeline(tmp_path_factory.mktemp("guard"))
    assert loaded.land(catalogue(*TITLES), SNAPSHOT_AT="2020-01-01").returncode == 0
    assert loaded.step(MERGE).returncode == 0
    return loaded


@pytest.fixture
def loaded(pipeline, first_load) -> Pipeline:
    return pipeline.copy_of(first_load)


FIRST = (1, 200, 0, 0, False)


@pytest.mark.slow
def test_an_acceptance_survives_a_replay(loaded):
    assert night(loaded, 2, HALF, ACCEPT=digest(HALF)).returncode == 0
    assert merges(loaded) == [FIRST, (2, 0, 0, 100, True)]
    assert verified(loaded)
    assert loaded.step("10_rebuild_warehouse").returncode == 0
    assert merges(loaded) == [FIRST, (2, 0, 0, 100, True)]


@pytest.mark.slow
def test_accepting_a_sound_file_records_no_acceptance(loaded):
    assert night(loaded, 2, FEW, ACCEPT=digest(FEW)).returncode == 0
    assert (merges(loaded)[1], verdicts(loaded)) == (
        (2, 0, 1, 1, False),
        [(1, "passed"), (2, "passed")],
    )


@pytest.mark.slow
def test_an_accepted_file_is_judged_again_when_it_comes_another_day(loaded):
    for day, records, code in ((2, HALF, 0), (3, TITLES, 0), (4, HALF, 20)):
        accept = {"ACCEPT": digest(HALF)} if day == 2 else {}
        assert night(loaded, day, records, **accept).returncode == code
    assert verdicts(loaded) == [(1, "passed"), (2, "accepted"), (3, "passed"), (4, "refused")]
    assert [day for day, *_ in merges(loaded)] == [1, 2, 3]


@pytest.mark.slow
def test_accepting_an_old_refused_file_merges_it_at_its_own_time(loaded):
    assert night(loaded, 2, HALF).returncode == 20
    assert night(loaded, 3, TITLES).returncode == 0
    assert loaded.step(MERGE, ACCEPT=digest(HALF)).returncode == 0
    assert loaded.query(
        "SELECT operation, day(valid_from), day(valid_to) FROM analytics_netflix_history "
        "WHERE show_id = 's1' ORDER BY valid_from"
    ) == [("insert", 1, 2), ("reappear", 3, None)]
    assert [(day, accepted) for day, *_, accepted in merges(loaded)] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    before = loaded.tables()
    assert loaded.step(MERGE).returncode == 0
    assert loaded.tables() == before
    assert verified(loaded)


@pytest.mark.slow
def test_a_file_that_passed_with_looser_limits_stays_in(loaded):
    assert night(loaded, 2, HALF).returncode == 20
    assert loaded.step(MERGE, MAX_DELETED_PCT="60").returncode == 0
    assert night(loaded, 3, HALF[1:]).returncode == 0
    assert merges(loaded) == [FIRST, (2, 0, 0, 100, False), (3, 0, 0, 1, False)]
    assert verdicts(loaded) == [(1, "passed"), (2, "refused"), (2, "passed"), (3, "passed")]
    assert verified(loaded)


@pytest.mark.slow
def test_a_waiting_file_that_is_refused_is_left_out_with_a_warning(loaded):
    assert loaded.raw(catalogue(*HALF), SNAPSHOT_AT="2020-01-02").returncode == 0
    done = night(loaded, 3, FEW)
    assert done.returncode == 0
    assert "is left out of the history: the file deletes 100 of 200 titles" in done.stderr
    assert merges(loaded) == [FIRST, (3, 0, 1, 1, False)]
    assert verdicts(loaded) == [(1, "passed"), (2, "refused"), (3, "passed")]


@pytest.mark.slow
def test_by_title_a_file_left_out_leaves_no_ambiguous_matches(pipeline):
    """Day 2 has twins that could be either of day 1's, and lacks Title 3, which is too much."""
    twins = [title(1, title="Twins", cast="Ann"), title(2, title="Twins", cast="Bo"), title(3)]
    others = [title(7, title="Twins", cast="Cy"), title(8, title="Twins", cast="Di")]
    pipeline.settings.update(BY_TITLE, MAX_DELETED_ROWS="0")
    assert night(pipeline, 1, twins).returncode == 0
    assert pipeline.raw(catalogue(*others), SNAPSHOT_AT="2020-01-02").returncode == 0
    done = night(pipeline, 3, twins)
    assert (done.returncode, "is left out of the history" in done.stderr) == (0, True)
    assert pipeline.query("SELECT * FROM ops_ambiguous_matches") == []
    assert verified(pipeline)


@pytest.mark.slow
def test_a_renumbered_file_that_was_stopped_passes_by_title(loaded):
    assert night(loaded, 2, REKEYED).returncode == 20
    switched = loaded.step(MERGE, **BY_TITLE)
    assert (switched.returncode, "rebuilt from 2 snapshots" in switched.stdout) == (0, True)
    assert merges(loaded) == [FIRST, (2, 0, 0, 0, False)]
    assert verdicts(loaded) == [(1, "passed"), (2, "refused"), (1, "passed"), (2, "passed")]
    assert loaded.query("FROM cdc_netflix_changes WHERE day(changed_at) = 2") == []


@pytest.mark.slow
def test_switching_the_key_back_and_forth_ends_in_the_same_history(loaded):
    assert night(loaded, 2, FEW).returncode == 0
    by_id = versions(loaded)
    switched = loaded.step(MERGE, **BY_TITLE)
    assert "rebuilt from 2 snapshots" in switched.stdout
    assert set(loaded.query("SELECT cdc_key FROM ops_merges")) == {("title",)}
    assert versions(loaded) != by_id
    assert loaded.step(MERGE).returncode == 0
    assert versions(loaded) == by_id


PLANS = {  # name: (records, settings, exit code of plan and run, what the plan says)
    "few changes": (FEW, {}, 0, "+0 ~1 -1, 198 unchanged"),
    "half dropped": (HALF, {}, 20, "the guard would stop it: the file deletes 100 of 200"),
    "half dropped, accepted": (HALF, {"ACCEPT": digest(HALF)}, 0, "ACCEPT lets it pass: the file"),
    "looser limits": (HALF, {"MAX_DELETED_PCT": "50"}, 0, "+0 ~0 -100"),
    "all under new ids": (REKEYED, {}, 20, "show_id was renumbered: 200 of 200 titles"),
    "all under new ids, by title": (REKEYED, BY_TITLE, 0, "+0 ~0 -0, 200 unchanged"),
}
QUICK = ("half dropped",)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in PLANS]
)
def test_the_plan_says_what_the_run_says_and_writes_nothing(loaded, name):
    records, settings, code, text = PLANS[name]
    source = loaded.put(catalogue(*records))
    settings = {**settings, "SNAPSHOT_AT": "2020-01-02"}

    def everything() -> tuple[dict, dict]:
        return loaded.digests("."), loaded.tables("")

    before = everything()
    plan = loaded.step(MERGE, "--plan", NETFLIX_CSV=source, **settings)
    assert (plan.returncode, text in plan.stdout) == (code, True), plan.stdout + plan.stderr
    assert everything() == before
    if code:  # the command as it works, not as it would on the scratch copy
        given = f"DATA_DIR={loaded.root}/data WAREHOUSE_PATH={loaded.root}/dw.db"
        accept = f"make run-all ACCEPT={digest(records)} NETFLIX_CSV={source} {given}"
        assert accept in plan.stdout and "SNAPSHOT_AT=2020-01-02" in plan.stdout, plan.stdout
    assert loaded.land(catalogue(*records), **settings).returncode == 0
    assert loaded.step(MERGE, **settings).returncode == code


@pytest.mark.slow
def test_switching_the_key_back_does_not_let_a_renumbered_file_in_unjudged(pipeline):
    header = "show_id,type,title,release_year\n"
    old = "".join(f"n{n},Movie,Title {n},2020\n" for n in range(60))
    new = "".join(f"s{n},Movie,Title {n},2020\n" for n in range(60))
    for day, rows in ((1, old), (2, new)):
        landed = pipeline.land(
            (header + rows).encode(), SNAPSHOT_AT=f"2020-01-0{day}", CDC_KEY="title"
        )
        assert landed.returncode == 0, landed.stderr
        assert pipeline.step("06_merge_cdc", CDC_KEY="title").returncode == 0
    before = pipeline.tables()
    back = pipeline.step("06_merge_cdc", CDC_KEY="show_id")
    assert (back.returncode, "was renumbered: 60 of 60" in back.stderr) == (20, True), back.stderr
    del before["publishable_file"]  # bytes of the replay that was undone are in the file
    assert pipeline.tables() == before
