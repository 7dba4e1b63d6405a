"""Every check in sql/checks finds the fault it is there for, and nothing on clean days."""

import json
import re
import shutil
from datetime import datetime, timedelta

import duckdb
import pytest
from conftest import PROJECT, Pipeline, catalogue, replace_everywhere, title
from documents import read_documents

from runner import log

MONITOR = "07_monitor_pipeline"
CHECKS = {path.stem for path in (PROJECT / "sql/checks").glob("*.sql")}
HISTORY, STAGING = "analytics_netflix_history", "staging_records"
DUPLICATE = "INSERT INTO {0} FROM {0} WHERE title_id = 's2' AND is_current"

# fault: (the check that must name it, what plants it). 200 titles in three snapshots; s1 was
# updated, s3 deleted. Several checks may see one fault; the intended one must be among them.
FAULTS = {
    "a staged record is lost": (
        "raw_equals_staging",
        f"DELETE FROM {STAGING} WHERE show_id = 's9'",
    ),
    "staging is of another batch": (
        "raw_equals_staging",
        "UPDATE staging_counts SET batch_id = '20200101T000000Z-0'",
    ),
    "the merge did not come": (
        "current_is_merged",
        "DELETE FROM ops_merges WHERE snapshot_at = (SELECT max(snapshot_at) FROM ops_merges)",
    ),
    "a current title is lost": (
        "current_is_merged",
        f"DELETE FROM {HISTORY} WHERE title_id = 's9'",
    ),
    "a current title has another content": (
        "current_equals_staging",
        f"UPDATE {HISTORY} SET row_hash = 'v1:0' WHERE title_id = 's9'",
    ),
    "a current title is not in staging": (
        "current_equals_staging",
        f"UPDATE {HISTORY} SET business_key = 'zzz' WHERE title_id = 's9'",
    ),
    "a key twice in staging": (
        "key_not_null_and_unique",
        f"UPDATE {STAGING} SET business_key = 's8' WHERE show_id = 's9'",
    ),
    "a staged title without a key": (
        "key_not_null_and_unique",
        f"UPDATE {STAGING} SET business_key = NULL WHERE show_id = 's9'",
    ),
    "a staged title without a title": (
        "critical_columns_not_null",
        f"UPDATE {STAGING} SET title = NULL WHERE show_id = 's9'",
    ),
    "a type nobody knows": (
        "accepted_types",
        f"UPDATE {HISTORY} SET type = 'Game' WHERE title_id = 's9'",
    ),
    "a rating nobody knows": (
        "accepted_ratings",
        f"UPDATE {HISTORY} SET rating = '74 min' WHERE title_id = 's9'",
    ),
    "a film before film": (
        "release_years_in_range",
        f"UPDATE {HISTORY} SET release_year = 1066 WHERE title_id = 's9'",
    ),
    "a film from the far future": (
        "release_years_in_range",
        f"UPDATE {HISTORY} SET release_year = 2999 WHERE title_id = 's9'",
    ),
    "added tomorrow": (
        "dates_added_not_in_the_future",
        f"UPDATE {HISTORY} SET date_added = DATE '2999-01-01' WHERE title_id = 's9'",
    ),
    "added after the snapshot": (
        "dates_added_not_after_the_snapshot",
        f"UPDATE {HISTORY} SET date_added = (SELECT max(snapshot_at) + INTERVAL 2 DAY FROM "
        "ops_merges) WHERE title_id = 's9'",
    ),
    "a film of no length": (
        "durations_in_range",
        f"UPDATE {HISTORY} SET duration_minutes = 0 WHERE title_id = 's9'",
    ),
    "a film in seasons": (
        "durations_fit_the_type",
        f"UPDATE {HISTORY} SET seasons = 2, duration_minutes = NULL WHERE title_id = 's9'",
    ),
    "two current versions": (
        "one_current_version_per_title",
        DUPLICATE.format(HISTORY),
    ),
    "a version id twice": (
        "version_ids_unique",
        DUPLICATE.format(HISTORY),
    ),
    "a version without an id": (
        "version_ids_unique",
        f"UPDATE {HISTORY} SET version_id = NULL WHERE title_id = 's9'",
    ),
    "a version that ends before it begins": (
        "versions_have_a_span",
        f"UPDATE {HISTORY} SET valid_to = valid_from - INTERVAL 1 DAY WHERE NOT is_current",
    ),
    "an ended version that is current": (
        "open_versions_are_current",
        f"UPDATE {HISTORY} SET is_current = true WHERE title_id = 's3'",
    ),
    "versions that overlap": (
        "versions_follow_each_other",
        f"UPDATE {HISTORY} SET valid_to = valid_to + INTERVAL 1 HOUR "
        "WHERE title_id = 's1' AND NOT is_current",
    ),
    "a gap where a title was updated": (
        "versions_follow_each_other",
        f"UPDATE {HISTORY} SET valid_to = valid_to - INTERVAL 1 HOUR "
        "WHERE title_id = 's1' AND NOT is_current",
    ),
    "a version of no merge": (
        "versions_belong_to_a_merge",
        f"UPDATE {HISTORY} SET batch_id = 'nobody' WHERE title_id = 's9'",
    ),
    "a merge that does not add up": (
        "merges_add_up",
        "UPDATE ops_merges SET inserted = inserted + 1",
    ),
    "a merge that counts what the history does not have": (
        "merges_add_up",
        "UPDATE ops_merges SET updated = updated + 1, unchanged = unchanged - 1 "
        "WHERE previous_rows > 0",
    ),
    "an empty entry in a list": (
        "lists_have_no_empty_entry",
        f"UPDATE {HISTORY} SET country = ', Norway' WHERE title_id = 's9'",
    ),
    "an entry missing in the middle of a list": (
        "lists_have_no_empty_entry",
        f"UPDATE {HISTORY} SET \"cast\" = 'A, , B' WHERE title_id = 's9'",
    ),
    "titles without genres": (
        "titles_have_a_genre",
        f"UPDATE {HISTORY} SET listed_in = NULL WHERE source_line < 60",
    ),
    "a lost character": (
        "no_replacement_characters",
        f"UPDATE {HISTORY} SET title = 'Caf' || chr(65533) WHERE title_id = 's9'",
    ),
    "UTF-8 read as Latin-1": (
        "no_mojibake",
        f"UPDATE {HISTORY} SET director = 'Bodil JÃ¸rgensen' WHERE title_id = 's9'",
    ),
    "UTF-8 read as Windows-1252": (
        "no_mojibake",
        f"UPDATE {HISTORY} SET description = 'It isâ€™nt' WHERE title_id = 's9'",
    ),
    "a column that came": (
        "schema_as_before",
        "INSERT INTO ops_schema_changes SELECT batch_id, 'added', 'x', 'new', now() "
        "FROM staging_counts",
    ),
    "a title that is kept though unreadable": (
        "nothing_carried",
        "UPDATE ops_merges SET carried = 1",
    ),
    "a record that could be two titles": (
        "no_ambiguous_titles",
        "INSERT INTO ops_ambiguous_matches SELECT batch_id, 's1', 'Twins', 't1, t2' "
        "FROM staging_batch",
    ),
    "a list as pandas writes it": (
        "lists_of_another_form",
        f"UPDATE {HISTORY} SET listed_in = '[''Dramas'', ''Comedies'']' WHERE source_line = 9",
    ),
    "a missing value that is a word": (
        "values_look_missing",
        f"UPDATE {HISTORY} SET director = 'nan' WHERE source_line = 9",
    ),
    "no run for two days": (
        "run_is_fresh",
        "UPDATE ops_runs SET finished_at = finished_at - INTERVAL 48 HOUR",
    ),
    "no merge for two days, though other steps ran": (
        "run_is_fresh",
        "UPDATE ops_runs SET finished_at = finished_at - INTERVAL 48 HOUR WHERE step = 'merge'",
    ),
    "no snapshot for eight days": (
        "snapshot_is_fresh",
        "UPDATE ops_merges SET snapshot_at = snapshot_at - INTERVAL 30 DAY",
    ),
    "no title added for months": (
        "newest_title_is_fresh",
        f"UPDATE {HISTORY} SET date_added = date_added - INTERVAL 90 DAY",
    ),
    "the same bytes for a week": (
        "source_still_changes",
        "INSERT INTO ops_runs SELECT runs.* REPLACE (finished_at - to_days(CAST(n AS INTEGER)) "
        "AS finished_at) FROM ops_runs AS runs CROSS JOIN range(1, 7) AS t (n) WHERE step = 'raw'",
    ),
    "a value that did not parse": (
        "no_lost_values",
        "INSERT INTO staging_lost_in_cast VALUES ('b', 's9', 'date_added', 'soon', 9)",
    ),
    "a record in quarantine": (
        "nothing_quarantined",
        "INSERT INTO staging_netflix_quarantine BY NAME SELECT 'b' AS batch_id, "
        "'s9' AS business_key, 'missing_title' AS rule, 'title' AS column_name, 9 AS source_line",
    ),
    "twice as many new titles as ever": (
        "volumes_as_usual",
        "UPDATE ops_metrics SET value = 500 WHERE metric = 'titles'",
    ),
    "a column that was never so empty": (
        "nulls_as_usual",
        f"UPDATE {HISTORY} SET rating = NULL WHERE source_line < 60",
    ),
}


def today(days_ago: int) -> str:
    return f"{datetime.now() - timedelta(days=days_ago):%Y-%m-%d}"


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Pipeline:
    """Merge three recent snapshots; add the metrics of ten good runs before them."""
    added = f"{datetime.now() - timedelta(days=9):%B %d, %Y}"
    pipeline = Pipeline(tmp_path_factory.mktemp("audited"))
    titles = [title(number, date_added=added) for number in range(1, 201)]
    for days_ago in (3, 2, 1):
        if days_ago == 2:
            titles[0]["description"] = "Another."
        if days_ago == 1:
            del titles[2]
        settings = {"SNAPSHOT_AT": today(days_ago), "NETFLIX_CSV": pipeline.put(catalogue(*titles))}
        done = pipeline.all_steps(**settings)
        assert (done.returncode, done.stderr) == (0, "")
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute(
            "INSERT INTO ops_metrics SELECT (SELECT min(batch_id) FROM ops_merges), "
            "snapshot_at - to_days(CAST(n AS INT)), metric, value, true "
            "FROM ops_metrics CROSS JOIN range(4, 14) AS days (n) "
            "WHERE batch_id = (SELECT max(batch_id) FROM ops_metrics)"
        )
    return pipeline


@pytest.fixture
def faulty(audited, tmp_path) -> Pipeline:
    """Copy the audited pipeline, to plant a fault in it."""
    shutil.copytree(audited.root, tmp_path, dirs_exist_ok=True)
    newest = Pipeline(tmp_path).batches()[-1]["parquet"]
    with duckdb.connect(str(tmp_path / "dw.db")) as con:  # the view names the folder it was in
        path = tmp_path / "data/raw/snapshots" / newest
        con.execute(f"CREATE OR REPLACE VIEW raw_netflix_titles AS FROM read_parquet('{path}')")
    pipeline = Pipeline(tmp_path)
    pipeline.hold_staging()
    return pipeline


def verdicts(pipeline: Pipeline) -> dict[str, str]:
    return dict(
        pipeline.query(
            "SELECT check_name, verdict FROM ops_checks "
            "WHERE checked_at = (SELECT max(checked_at) FROM ops_checks)"
        )
    )


def test_without_a_fault_every_check_passes(faulty):
    done = faulty.step(MONITOR)
    assert (done.returncode, done.stderr) == (0, "")
    assert verdicts(faulty) == dict.fromkeys(CHECKS, "pass")


def test_every_check_has_a_fault():
    # By the records, not the warehouse: test_guard.py; by the audit before: test_scope.py.
    elsewhere = {"no_snapshot_left_out", "history_as_audited"}
    assert {check for check, _ in FAULTS.values()} == CHECKS - elsewhere


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_by_its_check(faulty, fault):
    check, sql = FAULTS[fault]
    with duckdb.connect(str(faulty.root / "dw.db")) as con:
        con.execute(sql)
    text = (PROJECT / f"sql/checks/{check}.sql").read_text()
    broken, severity = (re.search(f"{name}: (.*)", text)[1] for name in ("broken", "severity"))
    done = faulty.step(MONITOR)
    found = verdicts(faulty)
    assert found[check] == {"error": "fail", "warn": "warn"}[severity], done.stderr
    assert f"{check}, " in done.stderr and broken in done.stderr
    assert done.returncode == (30 if "fail" in found.values() else 0)
    rows = faulty.query(f"SELECT count(*) FROM ops_check_failures WHERE check_name = '{check}'")[0][
        0
    ]
    assert 1 <= rows <= 20


def test_a_check_that_cannot_run_has_failed(faulty):
    with duckdb.connect(str(faulty.root / "dw.db")) as con:
        con.execute("DROP TABLE staging_counts")
    done = faulty.step(MONITOR)
    assert (done.returncode, verdicts(faulty)["raw_equals_staging"]) == (30, "fail")
    assert "staging_counts does not exist" in done.stderr


# A check of a person, and the error that it alone has failed with.
UNFIT = {
    "CAST(title AS INTEGER) < 0": "ConversionException: Conversion Error",
    "no_such_column": "BinderException: Binder Error",
    "title LIKE": "ParserException: Parser Error",
    "error('stop')": "InvalidInputException: Invalid Input Error: stop",
}
NOT_A_CHECK = {
    b"SELECT 1": "QualityError: ",
    b"": "IndexError: ",
    b"-- \xff\n": "UnicodeDecodeError: ",
    b"-- Nothing.\n-- severity: warn\n": "AttributeError: ",
}


def audit_with(pipeline: Pipeline, monkeypatch, content: bytes) -> str:
    """Run 07 with one more check, the only one that may fail; return what it says."""
    folder = pipeline.root / "sql"
    shutil.copytree(PROJECT / "sql", folder)
    (folder / "checks" / "aaa.sql").write_bytes(content)
    monkeypatch.setattr("audit.checks.SQL", folder)
    done = pipeline.step(MONITOR)
    assert done.returncode == 30
    assert verdicts(pipeline) == dict.fromkeys(CHECKS, "pass") | {"aaa": "fail"}
    lines = (pipeline.root / "logs/monitor.log").read_text().splitlines()
    assert sum(" pass " in line for line in lines[-len(CHECKS) - 1 :]) == len(CHECKS)
    assert set(json.loads((pipeline.root / "data/alerts/state.json").read_text())["audit"]) == {
        "aaa"
    }
    return done.stderr


@pytest.mark.parametrize("condition", UNFIT)
def test_a_check_that_fails_as_it_runs_fails_alone(faulty, monkeypatch, condition):
    text = f"-- Odd.\n-- severity: warn\nSELECT title FROM {HISTORY} WHERE {condition}\n"
    assert UNFIT[condition] in audit_with(faulty, monkeypatch, text.encode())


@pytest.mark.parametrize("content", NOT_A_CHECK)
def test_a_file_that_is_not_a_check_fails_alone(faulty, monkeypatch, content):
    assert NOT_A_CHECK[content] in audit_with(faulty, monkeypatch, content)


def test_every_check_that_fails_or_warns_says_what_to_do(faulty):
    with duckdb.connect(str(faulty.root / "dw.db")) as con:
        con.execute("UPDATE ops_merges SET snapshot_at = snapshot_at - INTERVAL 900 DAY")
    done = faulty.step(MONITOR)
    assert done.returncode == 30
    verdicts = dict(re.findall(r"^monitor   (?:fail|warn): (\w+)(.*)", done.stderr, re.MULTILINE))
    assert "snapshot_is_fresh" in verdicts
    assert done.stderr.count("What to do: ") == len(verdicts)
    assert "to load old ones, FRESHNESS_DAYS=36500" in done.stderr


def test_one_bad_cell_of_a_publisher_only_warns(pipeline):
    titles = [title(number) for number in range(1, 40)] + [title(40, duration="0 min")]
    assert pipeline.land(catalogue(*titles)).returncode == 0
    done = pipeline.steps("06_merge_cdc", MONITOR)
    assert (done.returncode, "warn: durations_in_range, 1 row(s)" in done.stderr) == (0, True)
    assert "title_id=s40, title=Title 40, duration=0 min" in done.stderr
    assert "What to do: `unit`, `minutes` and `seasons` of [columns.duration]" in done.stderr
    assert done.stderr.count("What to do: ") == 2, "newest_title_is_fresh has another one"


@pytest.fixture
def staged(pipeline) -> Pipeline:
    """Stage nine titles and merge none; the rating of the last one is unknown."""
    titles = [title(number) for number in range(1, 9)] + [title(9, rating="XX")]
    assert pipeline.land(catalogue(*titles)).returncode == 0
    return pipeline


@pytest.mark.slow
def test_before_the_first_merge_staging_is_audited(staged):
    done = staged.step(MONITOR)
    assert (done.returncode, "accepted_ratings, 1 row(s)" in done.stderr) == (0, True)
    of_history = {
        "current_equals_staging", "current_is_merged", "merges_add_up", "newest_title_is_fresh",
        "no_ambiguous_titles", "nothing_carried", "nulls_as_usual", "one_current_version_per_title",
        "schema_as_before", "dates_added_not_after_the_snapshot",
        "open_versions_are_current", "snapshot_is_fresh", "version_ids_unique", "volumes_as_usual",
        "versions_belong_to_a_merge", "versions_follow_each_other", "versions_have_a_span",
    }  # fmt: skip
    assert verdicts(staged) == dict.fromkeys(CHECKS - of_history, "pass") | {
        "accepted_ratings": "warn"
    }
    assert staged.steps("06_merge_cdc", "08_build_analytics").returncode == 0
    unaudited = staged.step("09_publish")
    assert (unaudited.returncode, "is not audited" in unaudited.stderr) == (2, True)


@pytest.mark.parametrize(
    ("check", "sql"),
    [
        ("key_not_null_and_unique", f"UPDATE {STAGING} SET business_key = 's8'"),
        ("release_years_in_range", f"UPDATE {STAGING} SET release_year = 1066"),
        ("raw_equals_staging", f"DELETE FROM {STAGING} WHERE show_id = 's9'"),
        ("run_is_fresh", "UPDATE ops_runs SET finished_at = finished_at - INTERVAL 48 HOUR"),
    ],
)
def test_before_the_first_merge_a_fault_still_fails(staged, check, sql):
    staged.hold_staging()
    with duckdb.connect(str(staged.root / "dw.db")) as con:
        con.execute(sql)
    done = staged.step(MONITOR)
    assert (done.returncode, verdicts(staged)[check]) == (30, "fail"), done.stderr


def test_a_lost_history_is_not_mistaken_for_a_new_one(faulty):
    with duckdb.connect(str(faulty.root / "dw.db")) as con:
        for table in ("VIEW analytics_netflix_current", f"TABLE {HISTORY}", "TABLE ops_merges"):
            con.execute(f"DROP {table} CASCADE")
    done = faulty.step(MONITOR)
    assert (done.returncode, verdicts(faulty)["current_is_merged"]) == (30, "fail")


@pytest.mark.slow
def test_limits_of_a_check_make_it_warn_and_then_fail(faulty):
    for count, verdict in ((1, "warn"), (20, "warn"), (21, "fail")):
        with duckdb.connect(str(faulty.root / "dw.db")) as con:
            con.execute(
                f"UPDATE {HISTORY} SET title = chr(65533) WHERE version_id IN "
                "(SELECT version_id FROM analytics_netflix_current "
                f"ORDER BY title_id LIMIT {count})"
            )
        faulty.step(MONITOR)
        assert verdicts(faulty)["no_replacement_characters"] == verdict


def clean_days(pipeline: Pipeline, days: int, monkeypatch) -> None:
    """A catalogue that grows and changes a little each day; the clock goes with it."""
    import random

    draw = random.Random(7)
    titles, number = [title(n) for n in range(1, 301)], 300
    first = datetime(2024, 1, 1, 3)
    for day in range(days):
        now = first + timedelta(days=day)
        replace_everywhere(monkeypatch, log.utc_now, lambda now=now: now)
        for _ in range(draw.randint(0, 4)):
            number += 1
            titles.append(title(number, rating=draw.choice(["PG", "R", ""])))
        for _ in range(draw.randint(0, 6)):
            draw.choice(titles)["description"] = f"Changed on day {day}."
        if draw.random() < 0.3:
            titles.remove(draw.choice(titles))
        titles[-1]["date_added"] = f"{now:%B %d, %Y}"
        done = pipeline.all_steps(NETFLIX_CSV=pipeline.put(catalogue(*titles)))
        assert (done.returncode, done.stderr) == (0, ""), f"day {day}: {done.stderr}"


@pytest.mark.slow
def test_60_clean_days_raise_no_alarm(pipeline, monkeypatch):
    clean_days(pipeline, 60, monkeypatch)


def test_the_real_file_passes_or_warns_as_the_documents_say(pipeline, real_data):
    done = pipeline.all_steps(NETFLIX_CSV=str(real_data / "netflix_titles.csv"))
    assert done.returncode == 0
    found = verdicts(pipeline)
    warned = {name for name, verdict in found.items() if verdict != "pass"}
    assert warned == {"accepted_ratings", "newest_title_is_fresh"}
    documents = read_documents("docs/operate.md")
    assert all(f"`{name}`" in documents for name in warned)
