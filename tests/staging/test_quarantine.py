"""Staging: no record and no value gets lost between raw, staging, quarantine and the lost list."""

import re

import pytest
from conftest import CHAIN, LANDING, PROJECT, RECORDS, catalogue, title

CONTRACT = (PROJECT / "sql" / "contract.toml").read_text()
QUARANTINE = (
    "SELECT business_key, rule, column_name, raw_value, source_line "
    "FROM staging_netflix_quarantine ORDER BY ALL"
)
LOST = "SELECT business_key, column_name, raw_value, source_line FROM staging_lost_in_cast"
BOOKS = (
    "SELECT raw_rows, staged_rows, quarantined_records, exact_duplicates, lost_in_cast "
    "FROM staging_counts"
)
STAGED = "SELECT show_id FROM staging_netflix_titles ORDER BY source_line"


def stage(pipeline, *records, **settings):
    """Land records through 02-05; the row counts must reconcile, by the tables and by our count."""
    result = pipeline.land(catalogue(*records), **settings)
    if result.returncode == 0:
        raw, staged, quarantined, duplicates, _ = pipeline.query(BOOKS)[0]
        assert raw == len(records) == staged + quarantined + duplicates
        assert pipeline.query("SELECT count(*) FROM staging_netflix_titles") == [(staged,)]
        assert f"{raw} raw = {staged} staged + {quarantined} quarantined" in result.stdout
    return result


# One broken record each: its values, the rule, the column.
BROKEN = {
    "no key": ({"show_id": ""}, "missing_show_id", "show_id"),
    "a key of blanks": ({"show_id": " \t\u00a0"}, "missing_show_id", "show_id"),
    "no title": ({"title": ""}, "missing_title", "title"),
    "a title of line ends": ({"title": "\r\n"}, "missing_title", "title"),
    "no type": ({"type": ""}, "missing_type", "type"),
    "an unknown type": ({"type": "Podcast"}, "unknown_type", "type"),
    "a type in other case": ({"type": "movie"}, "unknown_type", "type"),
    "a year before film": ({"release_year": "1869"}, "impossible_release_year", "release_year"),
    "a year far ahead": ({"release_year": "2027"}, "impossible_release_year", "release_year"),
    "the year 0": ({"release_year": "0"}, "impossible_release_year", "release_year"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_invalid_record_is_quarantined_by_its_rule(pipeline, name):
    values, rule, column = BROKEN[name]
    broken = title(2, **values)
    at = {"SNAPSHOT_AT": "2021-06-01"}
    assert stage(pipeline, title(1), broken, title(3), **at).returncode == 0
    assert pipeline.query(QUARANTINE) == [
        (broken["show_id"].strip(), rule, column, values[column] or None, 3)
    ]
    assert pipeline.query(STAGED) == [("s1",), ("s3",)]
    assert pipeline.query(
        "SELECT DISTINCT title, first_seen_at = last_seen_at, last_seen_at::VARCHAR "
        "FROM staging_netflix_quarantine"
    ) == [(broken["title"].strip() or None, True, "2021-06-01 00:00:00")]


def test_an_odd_but_valid_record_is_staged(pipeline):
    odd = [
        title(1, type=" TV Show "),
        title(2, release_year="1870"),
        title(3, release_year="2026"),
        title(4, release_year="2020.0"),
        title(5, release_year=""),
        title(6, title="0"),
        title(7, title="NULL"),
    ]
    assert stage(pipeline, *odd, SNAPSHOT_AT="2021-06-01").returncode == 0
    assert pipeline.query(QUARANTINE) == pipeline.query(LOST) == []


def test_a_record_with_two_faults_is_one_record_with_two_rows(pipeline):
    assert stage(pipeline, title(1), title(2, title="", type="?")).returncode == 0
    assert pipeline.query(QUARANTINE) == [
        ("s2", "missing_title", "title", None, 3),
        ("s2", "unknown_type", "type", "?", 3),
    ]
    assert pipeline.query(BOOKS) == [(2, 1, 1, 0, 0)]


def test_the_contract_makes_the_rules(pipeline):
    text = CONTRACT.replace("[columns.rating]", '[columns.rating]\nallowed = ["PG", "R"]')
    text = text.replace("[columns.director]", "[columns.director]\nnullable = false")
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(text, "contract.toml")
    records = title(1, director="D"), title(2), title(3, director="D", rating="X")
    assert stage(pipeline, *records).returncode == 0
    assert pipeline.query(QUARANTINE) == [
        ("s2", "missing_director", "director", None, 3),
        ("s3", "unknown_rating", "rating", "X", 4),
    ]


def test_exact_duplicates_collapse_into_the_first_and_are_counted(pipeline):
    two = title(2, description="Two\nlines")
    same = two | {"description": " Two lines ", "country": "Norway,"}  # equal once cleaned
    result = stage(pipeline, title(1), two, title(3), two, same)
    assert result.returncode == 0
    assert pipeline.query(BOOKS) == [(5, 3, 0, 2, 0)]
    assert "+ 2 exact duplicates" in result.stdout
    assert pipeline.query("SELECT source_line FROM staging_netflix_titles ORDER BY ALL") == [
        (2,),
        (3,),
        (5,),
    ]


def test_conflicting_duplicates_of_a_key_are_all_quarantined(pipeline):
    records = [title(1), title(2), title(2, rating="R"), title(2), title(3)]
    assert stage(pipeline, *records).returncode == 0
    assert pipeline.query(QUARANTINE) == [
        ("s2", "conflicting_duplicate", "business_key", "s2", line) for line in (3, 4, 5)
    ]
    assert pipeline.query(BOOKS) == [(5, 2, 3, 0, 0)]


def test_a_broken_copy_does_not_quarantine_its_sound_twin(pipeline):
    assert stage(pipeline, title(1), title(1, title=""), title(2)).returncode == 0
    assert pipeline.query(QUARANTINE) == [("s1", "missing_title", "title", None, 3)]
    assert pipeline.query(STAGED) == [("s1",), ("s2",)]


def test_copies_that_differ_in_a_lost_value_are_in_conflict(pipeline):
    one, other = title(1, date_added="yesterday"), title(1, date_added="tomorrow")
    assert stage(pipeline, one, other, *map(title, range(2, 6))).returncode == 0
    assert pipeline.query(BOOKS)[0][:4] == (6, 4, 2, 0)


def test_blanks_around_a_key_do_not_matter(pipeline):
    assert stage(pipeline, title(1), title(1, show_id=" s1 "), title(2)).returncode == 0
    assert pipeline.query(BOOKS) == [(3, 2, 0, 1, 0)]


@pytest.mark.slow
def test_the_quarantine_keeps_first_seen_and_clears_itself(pipeline):
    first, second, third = "2021-01-01", "2021-01-02", "2021-01-03"
    assert stage(pipeline, title(1), title(2, type="?"), SNAPSHOT_AT=first).returncode == 0
    still = title(1), title(3, title=""), title(2, type="?")
    assert stage(pipeline, *still, SNAPSHOT_AT=second).returncode == 0
    seen = (
        "SELECT business_key, first_seen_at::DATE::VARCHAR, last_seen_at::DATE::VARCHAR, "
        "batch_id[:8] FROM staging_netflix_quarantine ORDER BY ALL"
    )
    assert pipeline.query(seen) == [
        ("s2", first, second, "20210102"),
        ("s3", second, second, "20210102"),
    ]
    # Mended in the source:
    corrected = title(1), title(3), title(2, type="?")
    assert stage(pipeline, *corrected, SNAPSHOT_AT=third).returncode == 0
    assert pipeline.query(seen) == [("s2", first, third, "20210103")]
    # Mended by the rule, without a new file:
    text = CONTRACT.replace('allowed = ["Movie", "TV Show"]', 'allowed = ["Movie", "TV Show", "?"]')
    contract = pipeline.put(text, "contract.toml")
    result = pipeline.steps(*LANDING[2:], CONTRACT_PATH=contract)
    assert (result.returncode, "as before" in result.stdout) == (0, False)
    assert pipeline.query(seen) == []
    assert pipeline.query(STAGED) == [("s1",), ("s3",), ("s2",)]


def test_a_quarantined_title_keeps_its_last_good_version(pipeline):
    for records in ((title(1), title(2)), (title(1), title(2, title=""))):
        assert stage(pipeline, *records).returncode == 0
        assert pipeline.step("06_merge_cdc").returncode == 0
    assert pipeline.query("SELECT show_id, title FROM analytics_netflix_current ORDER BY 1") == [
        ("s1", "Title 1"),
        ("s2", "Title 2"),
    ]


def test_a_value_that_does_not_parse_is_listed_with_its_line(pipeline):
    records = [
        title(1, date_added="soon"),
        title(2, release_year="MMXX"),
        title(3, duration="1:30"),
        title(4, date_added=" September 25, 2021", release_year="2020.0", duration="1 Season"),
        title(5, date_added="2021-09-25", duration=""),
        title(6, date_added="February 30, 2021"),
        title(7, duration="99999999999 min"),
        title(8, release_year="20200"),
    ]
    assert stage(pipeline, *records).returncode == 0
    assert sorted(pipeline.query(LOST)) == [
        ("s1", "date_added", "soon", 2),
        ("s2", "release_year", "MMXX", 3),
        ("s3", "duration", "1:30", 4),
        ("s6", "date_added", "February 30, 2021", 7),
        ("s7", "duration", "99999999999 min", 8),
        ("s8", "release_year", "20200", 9),
    ]
    assert pipeline.query(BOOKS) == [(8, 8, 0, 0, 6)]


def test_a_duration_in_the_rating_moves_only_into_an_empty_duration(pipeline):
    records = [
        title(1, rating="74 min", duration=""),
        title(2, rating="74 min", duration="90 min"),
    ]
    assert stage(pipeline, *records).returncode == 0
    assert pipeline.query(
        "SELECT rating, duration, duration_minutes, repairs FROM staging_netflix_titles ORDER BY 2"
    ) == [(None, "74 min", 74, "duration_moved:rating"), ("74 min", "90 min", 90, None)]


@pytest.mark.parametrize(
    ("what", "broken", "message"),
    [
        ("QUARANTINED", {"title": ""}, "3 records cannot be a title and went to the quarantine"),
        (
            "LOST_IN_CAST",
            {"date_added": "soon"},
            "3 values do not parse as a date, year, duration",
        ),
    ],
)
def test_limits_stop_by_count_and_share_together(pipeline, loaded_once, what, broken, message):
    pipeline.copy_of(loaded_once)
    records = [title(number, **(broken if number <= 3 else {})) for number in range(1, 11)]
    rows, pct = f"MAX_{what}_ROWS", f"MAX_{what}_PCT"
    hidden = f"{RECORDS} raw_netflix_titles contract_netflix_titles"
    before = pipeline.tables(hidden)
    stopped = stage(pipeline, *records, **{rows: "2", pct: "29.9"})
    assert (stopped.returncode, pipeline.tables(hidden)) == (20, before)
    assert f"{message}" in stopped.stderr
    assert "(30.0 % of 10), allowed are 2 and 29.9 %." in stopped.stderr
    assert len(re.findall(r"\n  line \d+: \w+.*, value ", stopped.stderr)) == 3
    # Only one of the two limits exceeded: it goes through.
    for limits in ({rows: "3", pct: "0"}, {rows: "0", pct: "30"}):
        assert pipeline.step("05_run_staging_sql", **limits).returncode == 0
    # A stop is judged again, even if staging holds this batch already.
    assert pipeline.step("05_run_staging_sql", **{rows: "2", pct: "29.9"}).returncode == 20


@pytest.mark.slow
def test_accept_passes_this_file_for_good(pipeline):
    records = [title(1), *(title(number, title="") for number in range(2, 5))]
    limits = {"MAX_QUARANTINED_ROWS": "2", "MAX_QUARANTINED_PCT": "10"}
    stopped = stage(pipeline, *records, **limits)
    accept = stopped.stderr.split("ACCEPT=")[1].split()[0]
    assert accept == pipeline.batches()[0]["source_sha256"][:12]
    assert pipeline.step("05_run_staging_sql", ACCEPT="0" * 12, **limits).returncode == 20
    assert pipeline.step("05_run_staging_sql", ACCEPT=accept, **limits).returncode == 0
    assert pipeline.step("05_run_staging_sql", **limits).returncode == 0
    assert "accepted" in [verdict for _, verdict in pipeline.decisions()]
    # Another file with the same fault is stopped again.
    assert stage(pipeline, *records, title(9, title=""), **limits).returncode == 20


def test_nothing_from_a_file_drives_the_terminal(pipeline):
    escape = "\x1b[31m\x07\x9b"
    records = [title(number, type=escape, title=f"{escape}{number}") for number in range(1, 4)]
    stopped = stage(pipeline, *records, MAX_QUARANTINED_ROWS="0", MAX_QUARANTINED_PCT="0")
    assert stopped.returncode == 20
    assert r"line 2: unknown_type, value '\x1b[31m\x07\x9b'" in stopped.stderr
    text = stopped.stderr + (pipeline.root / "logs" / "pipeline.log").read_text()
    assert all(c.isprintable() or c == "\n" for c in text)


def test_every_record_of_a_mixed_file_is_accounted_for_through_the_whole_chain(pipeline):
    records = [title(number) for number in range(1, 30)]
    records += [title(1), title(2, rating="R"), title(40, title=""), title(41, date_added="soon")]
    text = catalogue(*records) + "misfit\r\n" + catalogue(title(42)).split("\r\n", 1)[1]
    source = pipeline.put(text)
    result = pipeline.steps(*CHAIN, NETFLIX_CSV=source)
    assert result.returncode == 0, result.stderr
    (batch,) = pipeline.batches()
    assert (batch["records"], batch["raw_rows"], batch["rejected"]) == (35, 34, 1)
    assert pipeline.query(BOOKS) == [(34, 30, 3, 1, 1)]
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(30,)]
