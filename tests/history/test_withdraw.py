"""Withdraw and restore a snapshot, edit the contract: plan, verdict, replay."""

import re
from datetime import UTC, datetime

import pytest
from conftest import CHAIN, PROJECT, RECORDS, Pipeline, catalogue, title

RAW, MERGE, WITHDRAW = "02_create_raw_layer", "06_merge_cdc", "history/withdraw"
TITLES = [title(number) for number in range(1, 61)]
DAYS = {1: TITLES, 2: [{**TITLES[0], "rating": "R"}, *TITLES[1:]], 3: TITLES[:55]}
CONTRACT = (PROJECT / "sql/contract.toml").read_text()
LEFT_OUT = f"{RECORDS} ops_metrics ops_schema_changes"


def night(pipeline: Pipeline, day: int, **settings: str):
    source = pipeline.put(catalogue(*DAYS[day]))
    return pipeline.steps(*CHAIN[:5], NETFLIX_CSV=source, SNAPSHOT_AT=f"2020-01-0{day}", **settings)


def content(pipeline: Pipeline) -> dict[str, list[tuple]]:
    return pipeline.tables(leave_out=LEFT_OUT)


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("two"))
    for day in (1, 2):
        assert night(pipeline, day).returncode == 0
    return pipeline


@pytest.fixture
def loaded(pipeline, two_nights) -> Pipeline:
    pipeline.copy_of(two_nights)
    pipeline.settings["CONTRACT_PATH"] = str(pipeline.root / "contract.toml")
    (pipeline.root / "contract.toml").write_text(CONTRACT)
    return pipeline


@pytest.mark.slow
def test_a_withdrawn_snapshot_leaves_no_trace_until_it_is_restored(loaded):
    before = {name: loaded.query(f"FROM {name} ORDER BY ALL") for name in ("ops_merges",)}
    versions = loaded.query("FROM analytics_netflix_history ORDER BY ALL")
    files = loaded.digests("data/raw/snapshots")
    second = loaded.batches()[1]["batch_id"]
    taken = loaded.step(WITHDRAW, "withdraw", second)
    assert taken.returncode == 0, taken.stderr
    assert "rating" in taken.stdout and "1 changed" in taken.stdout, (
        "the plan shows what it changes"
    )
    assert "against" not in taken.stdout, "not what the snapshot before it changed, once"
    assert loaded.step(MERGE).returncode == 0
    assert loaded.query("SELECT count(*), count(valid_to) FROM analytics_netflix_history") == [
        (60, 0)
    ]
    assert loaded.digests("data/raw/snapshots") == files, "its files stay"
    source = loaded.put(catalogue(*DAYS[2]))
    again = loaded.step(RAW, NETFLIX_CSV=source)
    assert (again.returncode, "unchanged since 2020-01-02" in again.stdout) == (0, True), again
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"this file was withdrawn on {today}, and does not count" in again.stderr
    assert f"`make restore BATCH={second}`" in again.stderr
    plan = loaded.step(MERGE, "--plan", NETFLIX_CSV=source)
    assert (plan.returncode, f"nothing to do: {second} is withdrawn" in plan.stdout) == (0, True)
    assert loaded.step(WITHDRAW, "restore", second).returncode == 0
    assert loaded.step(MERGE).returncode == 0
    assert loaded.query("FROM analytics_netflix_history ORDER BY ALL") == versions
    assert loaded.query("FROM ops_merges ORDER BY ALL") == before["ops_merges"]


@pytest.mark.slow
def test_withdraw_refuses_an_unknown_snapshot_and_the_only_one(loaded):
    first, second = (batch["batch_id"] for batch in loaded.batches())
    asked = {
        "none": f"there is no snapshot 'none'; there are:\n  {first}\n  {second}\n",
        "202001": f"'202001' could be any of these:\n  {first}\n  {second}\n",
        "": "which snapshot? make restore BATCH=",
    }
    for wanted, message in asked.items():
        done = loaded.step(WITHDRAW, "restore" if not wanted else "withdraw", wanted)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "`make rebuild`" in done.stderr, "that is for a lost disk"
    assert len(loaded.decisions()) == 2, "nothing is withdrawn yet"
    assert f"{second} is withdrawn" in loaded.step(WITHDRAW, "withdraw", second[-12:]).stdout
    assert f"{second} is restored" in loaded.step(WITHDRAW, "restore", second[:8]).stdout
    assert loaded.step(WITHDRAW, "withdraw", second).returncode == 0
    assert loaded.step(WITHDRAW, "withdraw", first).returncode == 2
    assert "withdrawn already" in loaded.step(WITHDRAW, "withdraw", second).stdout


def test_an_old_file_is_reported_as_the_snapshot_it_already_is(loaded):
    first = loaded.batches()[0]["batch_id"]
    settings = {"NETFLIX_CSV": loaded.put(catalogue(*DAYS[1])), "SNAPSHOT_AT": "2020-01-01"}
    again = loaded.step(RAW, **settings)
    assert "unchanged since 2020-01-01" in again.stdout, again
    query = "SELECT batch_id FROM ops_runs WHERE step = 'raw' ORDER BY finished_at DESC LIMIT 1"
    assert loaded.query(query) == [(first,)]
    plan = loaded.step(MERGE, "--plan", **settings)
    assert f"nothing to do: {first} is merged already" in plan.stdout, plan


@pytest.mark.slow
def test_a_file_whose_snapshot_was_given_up_is_landed_again(loaded):
    lost = loaded.batches()[1]
    (loaded.root / "data/raw/snapshots" / lost["parquet"]).unlink()
    source = loaded.put(catalogue(*DAYS[2]))
    stopped = loaded.step(RAW, NETFLIX_CSV=source)
    code = re.search(r"ACCEPT=(\w+)", stopped.stderr)[1]
    done = loaded.steps(*CHAIN[:5], NETFLIX_CSV=source, ACCEPT=code)
    assert (done.returncode, "history rebuilt from 2 snapshots" in done.stdout) == (0, True), done
    new = loaded.batches()[2]
    assert (new["source_sha256"], new["raw_rows"]) == (lost["source_sha256"], 60)


@pytest.mark.slow
def test_a_damaged_snapshot_can_be_withdrawn(loaded):
    second = loaded.batches()[1]
    path = loaded.root / "data/raw/snapshots" / second["parquet"]
    good = path.read_bytes()
    path.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
    found = loaded.step("03_load_raw_to_duckdb")
    command = f"make withdraw BATCH={second['batch_id']}"
    assert (found.returncode, command in found.stderr) == (40, True), found.stderr
    assert loaded.step(WITHDRAW, "withdraw", second["batch_id"]).returncode == 0
    assert loaded.steps(*CHAIN[1:5]).returncode == 0
    assert loaded.step(WITHDRAW, "restore", second["batch_id"]).returncode == 40


EDITS = {  # name: (old, new, what the plan says of it or "" where it changes nothing, stops)
    "an alias": ('aliases = ["actors"]', 'aliases = ["actors", "players"]', "", False),
    "not required": ("required = true\nkey = true", "key = true", "", False),
    "a rating is not allowed": (
        "[columns.rating]",
        '[columns.rating]\nallowed = ["R"]',
        "the contract was edited",
        True,
    ),
    "not tracked": (
        "[columns.director]",
        "[columns.director]\ntracked = false",
        "the contract was edited",
        False,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_contract_replays_if_it_changes_values(loaded, name):
    old, new, says, stops = EDITS[name]
    assert old in CONTRACT
    (loaded.root / "contract.toml").write_text(CONTRACT.replace(old, new))
    before = content(loaded)
    source = loaded.put(catalogue(*DAYS[2]))
    plan = loaded.step(MERGE, "--plan", NETFLIX_CSV=source, MAX_QUARANTINED_ROWS="60")
    assert (plan.returncode, says in plan.stdout) == (20 if stops else 0, True), plan.stdout
    merged = loaded.steps(*CHAIN[1:5], MAX_QUARANTINED_ROWS="60")
    assert merged.returncode == (20 if stops else 0), merged.stderr
    if stops:
        assert loaded.query("FROM ops_merges ORDER BY ALL") == before["ops_merges"]
        return
    assert ("replayed" in merged.stdout) == bool(says)
    lost = loaded.root / "dw.db"
    after = loaded.query("FROM analytics_netflix_history ORDER BY ALL")
    lost.unlink()
    assert loaded.step("10_rebuild_warehouse").returncode == 0
    assert loaded.query("FROM analytics_netflix_history ORDER BY ALL") == after
