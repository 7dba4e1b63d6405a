"""In a chain, a clean check looks at what was merged since; a digest vouches for the rest."""

import re
import shutil
from datetime import datetime, timedelta

import duckdb
import pytest
from conftest import PROJECT, Pipeline, catalogue, slow, title
from test_checks import FAULTS, HISTORY, MONITOR, STAGING, today, verdicts

from runner import lock

CHECKS = {path.stem: path.read_text() for path in (PROJECT / "sql/checks").glob("*.sql")}
SCOPES = {
    name: match[1]
    for name, text in CHECKS.items()
    if (match := re.search(r"^-- scope: (\w+)$", text, re.MULTILINE))
}
SCOPED = [
    fault for fault, (check, sql) in FAULTS.items() if check in SCOPES and "source_line" not in sql
]
CHANGED = "Changed tonight."


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Pipeline:
    """Two audited snapshots, and a third one that is merged: s1, s9 changed in it, s3 went."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "inherited", True)
        added = f"{datetime.now() - timedelta(days=9):%B %d, %Y}"
        pipeline = Pipeline(tmp_path_factory.mktemp("nights"))
        titles = [title(number, date_added=added) for number in range(1, 41)]
        for days_ago in (3, 2):
            merge(pipeline, titles, days_ago)
            done = pipeline.step(MONITOR)
            assert (done.returncode, done.stderr) == (0, "")
            titles[0]["description"] = f"Changed {days_ago} days ago."
        titles[8]["description"] = CHANGED
        del titles[2]
        merge(pipeline, titles, 1)
    return pipeline


def merge(pipeline: Pipeline, titles: list[dict], days_ago: int) -> None:
    at = today(days_ago)
    assert pipeline.land(catalogue(*titles), SNAPSHOT_AT=at).returncode == 0
    done = pipeline.step("06_merge_cdc", SNAPSHOT_AT=at)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def night(nights, tmp_path, monkeypatch) -> Pipeline:
    """A copy of it, in a chain."""
    shutil.copytree(nights.root, tmp_path, dirs_exist_ok=True)
    pipeline = Pipeline(tmp_path)
    newest = pipeline.batches()[-1]["parquet"]
    with duckdb.connect(str(tmp_path / "dw.db")) as con:  # the view names the folder it was in
        path = tmp_path / "data/raw/snapshots" / newest
        con.execute(f"CREATE OR REPLACE VIEW raw_netflix_titles AS FROM read_parquet('{path}')")
    monkeypatch.setattr(lock, "inherited", True)
    return pipeline


def execute(pipeline: Pipeline, sql: str) -> None:
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute(sql)


def test_a_scope_reads_no_age_and_no_setting():
    """What a check finds in a row must not depend on the day: the row is not looked at again."""
    ages = "freshness_days|max_run_age_hours|same_bytes_days|newest_title_days"
    assert {"begun", "staged", "staged_keys", "touched", "version_ids"} == {*SCOPES.values()}
    assert not [name for name in SCOPES if re.search(ages, CHECKS[name])]
    tables = {"begun": "analytics_netflix_current", "touched": HISTORY, "version_ids": HISTORY}
    for name, scope in SCOPES.items():
        if scope in tables:
            read = set(re.findall(r"(?:FROM|JOIN) ((?:analytics|staging)_\w+)", CHECKS[name]))
            assert read == {tables[scope]}, name


def test_a_night_without_a_fault_passes_and_is_followed(night):
    done = night.step(MONITOR)
    assert (done.returncode, done.stderr) == (0, "")
    assert verdicts(night) == dict.fromkeys(CHECKS, "pass")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.slow if n % 4 else ())
        for n, fault in enumerate(SCOPED)
    ],
)
def test_a_fault_in_what_was_merged_is_named_by_its_check_alone(night, fault):
    """The digest is of the versions of before: this fault must be found in the narrowed rows."""
    check, sql = FAULTS[fault]
    ended = "valid_to > (SELECT audited_at FROM audit_record)"
    changed = {
        "NOT is_current": ended,
        "'s9'": "'s9' AND is_current",
        "'s2' AND is_current": "'s9' AND is_current",
    }
    if STAGING in sql:
        night.hold_staging()
        changed = {}
    for whole, part in changed.items():
        sql = sql.replace(whole, part)
    execute(night, sql)
    done = night.step(MONITOR)
    found = verdicts(night)
    assert found[check] == ("fail" if "severity: error" in CHECKS[check] else "warn"), done.stderr
    if not re.search("valid_to|is_current", sql):
        assert found["history_as_audited"] == "pass", done.stderr


@pytest.mark.parametrize(
    "column",
    ["title", *slow("valid_to", "is_current", "source_line", "end_batch_id", "operation")],
)
def test_a_value_changed_in_an_older_version_stops_the_night_until_it_is_rebuilt(night, column):
    value = {
        "title": "'Another'", "valid_to": "TIMESTAMP '2020-01-01'", "is_current": "false",
        "source_line": "1", "end_batch_id": "'x'", "operation": "'update'",
    }[column]  # fmt: skip
    execute(night, f"UPDATE {HISTORY} SET {column} = {value} WHERE title_id = 's7'")
    for _ in range(2):  # the next night does not take it for what was audited
        done = night.step(MONITOR)
        assert (done.returncode, verdicts(night)["history_as_audited"]) == (30, "fail")
        assert "`make rebuild` replays the snapshots" in done.stderr
    assert night.step("10_rebuild_warehouse").returncode == 0
    done = night.step(MONITOR)
    assert (done.returncode, verdicts(night)["history_as_audited"]) == (0, "pass"), done.stderr


def test_a_version_that_was_deleted_or_added_is_noticed(night):
    execute(night, f"DELETE FROM {HISTORY} WHERE title_id = 's7'")
    assert night.step(MONITOR).returncode == 30
    assert verdicts(night)["history_as_audited"] == "fail"


def test_a_night_that_merges_nothing_looks_at_ages_alone_and_make_monitor_at_all(
    night, monkeypatch
):
    assert night.step(MONITOR).returncode == 0
    execute(night, f"UPDATE {HISTORY} SET type = 'Game' WHERE title_id = 's7'")
    done = night.step(MONITOR)
    assert (done.returncode, done.stderr) == (0, ""), "nothing was merged: nothing is published"
    monkeypatch.setattr(lock, "inherited", False)
    done = night.step(MONITOR)
    found = verdicts(night)
    assert (done.returncode, found["accepted_types"], found["history_as_audited"]) == (
        30, "fail", "fail",
    )  # fmt: skip


def test_a_verdict_that_turns_makes_the_audit_look_at_all(night):
    """With another verdict a new version is published, though nothing was merged."""
    assert night.step(MONITOR).returncode == 0
    execute(night, f"UPDATE {HISTORY} SET type = 'Game' WHERE title_id = 's7'")
    assert night.step(MONITOR, NEWEST_TITLE_DAYS="1").returncode == 30
    assert verdicts(night)["accepted_types"] == "fail"


@pytest.mark.slow
def test_a_check_that_found_something_looks_at_all(night):
    """It finds the same rows the next night, in versions that nobody touched."""
    odd = f"UPDATE {HISTORY} SET rating = 'XX' WHERE title_id = 's9' AND is_current"
    execute(night, odd)
    for _ in range(2):
        assert night.step(MONITOR).returncode == 0
        assert verdicts(night)["accepted_ratings"] == "warn"
    titles = [title(number) for number in range(1, 41) if number != 3]
    titles[7]["description"] = CHANGED
    merge(night, titles, 0)
    night.step(MONITOR)
    assert verdicts(night)["accepted_ratings"] == "pass", "s9 has a new version"


@pytest.mark.parametrize("part", ["rows", *slow("footer")])
def test_a_file_of_staging_that_cannot_be_read_is_named_with_the_way_out(night, part):
    """In a chain only its size is looked at before."""
    (path, *_) = sorted(night.root.glob("dw.db.staging/*.staging_parts.parquet"))
    content = path.read_bytes()
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    rows, end = content[4:-footer], content[-footer:]
    kept = (bytes(len(rows)), end) if part == "rows" else (rows, bytes(len(end)))
    path.write_bytes(content[:4] + b"".join(kept))
    before = verdicts(night)
    done = night.step(MONITOR)
    assert (done.returncode, "crashed" in done.stderr) == (2, False), done.stderr
    assert f"{path} is damaged; `make staging` builds it again" in done.stderr
    assert verdicts(night) == before
    assert night.step("05_run_staging_sql").returncode == 0
    assert night.step(MONITOR).returncode == 0


def test_staging_that_is_lost_is_found_though_the_history_is_as_before(night):
    night.hold_staging()
    assert night.step(MONITOR).returncode == 0
    execute(night, f"UPDATE {STAGING} SET business_key = 's8' WHERE show_id = 's9'")
    execute(night, "UPDATE staging_counts SET rules = 'other'")
    assert night.step(MONITOR).returncode == 30
    assert verdicts(night)["key_not_null_and_unique"] == "fail"
