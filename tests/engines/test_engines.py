"""The pipeline does the same on other engines as on DuckDB, row by row.

Each test runs on every engine: an engine is a file on_<name>.py here, with `started`. That is a
context manager that starts the engine, or skips where what it needs is not installed, and gives a
function from a folder to the settings of a new warehouse.
"""

import hashlib
import shutil
import signal
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from both import STEPS, Both, Elsewhere, normalised, side_by_side
from conftest import LANDING, PROJECT, catalogue, slow, title

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]  # of the clients
ENGINES = sorted(path.stem.removeprefix("on_") for path in Path(__file__).parent.glob("on_*.py"))
MINUTES = ("apache",)  # CI runs a ninth of their cases
HISTORY = ("analytics_netflix_history", "ops_merges", "ops_ambiguous_matches")
# A kill before each write takes too long where a session or a statement takes seconds.
KILLED_EVERY = {"bigquery": 5, "iceberg": 5}
# The writes of step 06 that are the second and the third statement of history/undo_partial.sql.
TAKING_BACK = (12, 13)
MANY = [title(number) for number in range(1, 61)]


@pytest.fixture(
    scope="session", params=[*(name for name in ENGINES if name not in MINUTES), *slow(*MINUTES)]
)
def engine(request: pytest.FixtureRequest) -> Iterator:
    """From a folder to the settings of a new warehouse on a running engine."""
    with import_module(f"on_{request.param}").started() as settings_in:
        yield settings_in


@pytest.fixture
def both(engine, tmp_path: Path) -> Both:
    """The same pipeline twice: on DuckDB, and on the engine."""
    return side_by_side(tmp_path, engine)


def test_the_real_pair_of_snapshots(both, real_data):
    for name, at in (("2019-11", "2019-11-30"), ("2020-01", "2020-01-18")):
        both.run((real_data / f"netflix_titles_{name}.csv").read_bytes(), at)
    both.assert_equal()
    merges = both.other.query("SELECT inserted, updated, deleted, unchanged FROM ops_merges")
    assert (397, 631, 0, 5206) in merges


@pytest.mark.slow
@pytest.mark.parametrize("cdc_key", ["show_id", "title"])
def test_five_simulated_days(both, cdc_key, tmp_path):
    sample = import_module("00_make_sample_data")
    for day in range(1, 6):
        path = tmp_path / f"day{day}.csv"
        sample.run(path, 400, day, inserts=0.02, updates=0.05, deletes=0.02)
        both.run(path.read_bytes(), f"2021-01-0{day}", CDC_KEY=cdc_key)
    both.assert_equal()
    operations = both.other.query("SELECT DISTINCT operation FROM cdc_netflix_changes")
    assert {"insert", "update", "delete"} <= {operation for (operation,) in operations}


# What cleaning, typing and the quarantine see; sound records around them.
ODD = (
    title(1, title="  two   blanks\u00a0\u2003and\tmore  "),
    title(2, title="Cafe\u0301 zero\u200bwidth", director="\ufeffA. B.\u3000"),
    title(3, title="\u4e03\u4eba\u306e\u4f8d \u1112\u1161\u11ab \U0001f600",
          cast="\u00c5ngstr\u00f6m, \u0391\u03b8\u03b7\u03bd\u03ac"),
    title(4, country=", South Korea ,, Norway ,", listed_in="Dramas,Comedies, ,Docs"),
    title(5, cast="Ann Lee, Bo Ek, Ann Lee", director="", country=""),
    title(6, rating="74 min", duration=""),
    title(7, type="TV Show", duration="2 Seasons"),
    title(8, duration="1 season", type="TV Show", date_added=" August 4, 2017"),
    title(9, date_added="some day", duration="long"),
    title(10, date_added="25-Sep-21", release_year="2020.0"),
    title(11, date_added="2021-02-30", release_year="MMXX"),
    title(12, date_added="5 may 2021", description='He said "no".\nThen it\'s over; a\\b'),
    title(13, title=""),
    title(14, type="Podcast"),
    title(15, release_year="1700"),
    title(16, show_id=""),
    title(17), title(17),
    title(18), title(18, title="Another of the same key"),
    title(19, rating="", description="", date_added=""),
    title(20, title="\u0130stanbul \u1e9e\u00df \ufb01", rating="66 min", duration="90 min"),
)  # fmt: skip


def test_cleaning_and_quarantine(both):
    odd = dict.fromkeys(("MAX_QUARANTINED_PCT", "MAX_LOST_IN_CAST_PCT"), "100")
    both.run(catalogue(*ODD), "2021-06-01", **odd)
    both.assert_equal()
    rules = both.other.query("SELECT DISTINCT rule FROM staging_netflix_quarantine")
    assert len(rules) == 5
    # a broken record keeps the title's last good version; one that is sound again leaves
    changed = [*ODD[1:], title(1, title="")]
    changed[11] = title(13)
    both.run(catalogue(*changed), "2021-06-02", **odd)
    both.assert_equal()
    assert both.other.query("SELECT max(carried) FROM ops_merges") == [(1,)]


def test_a_title_whose_record_is_rejected_is_kept(both):
    both.run(catalogue(*MANY), "2021-01-01")
    lines = catalogue(*MANY[:-2]).splitlines(keepends=True)
    lines.insert(5, "s59,Movie,too few\r\n")  # s60 is gone
    both.run("".join(lines), "2021-01-02")
    both.assert_equal()
    assert both.other.query("SELECT max(carried), max(deleted) FROM ops_merges") == [(1, 1)]


def test_the_guard_stops_before_anything_changes_and_accept_passes_the_file(both):
    both.run(catalogue(*MANY), "2021-01-01")
    before = both.other.content(*HISTORY)
    half = catalogue(*MANY[:25])
    stopped = both.run(half, "2021-01-02", code=20)
    assert "deletes 35 of 60 titles" in stopped.stderr
    assert both.other.content(*HISTORY) == before
    accept = stopped.stderr.split("ACCEPT=")[1].split()[0]
    both.run(half, "2021-01-02", ACCEPT=accept)
    both.assert_equal()


def test_a_renumbered_file_is_stopped(both):
    both.run(catalogue(*MANY), "2021-01-01")
    moved = [{**record, "show_id": f"s{100 + at}"} for at, record in enumerate(MANY)]
    stopped = both.run(catalogue(*moved), "2021-01-02", code=20)
    assert "show_id was renumbered: 60 of 60 titles" in stopped.stderr
    both.assert_equal(*HISTORY)


def test_a_file_with_a_missing_column_is_stopped(both):
    both.run(catalogue(*MANY), "2021-01-01")
    renamed = catalogue(*MANY).replace("title,", "naam,", 1)
    stopped = both.run(renamed, "2021-01-02", code=20)
    assert "required column title is not in the file" in stopped.stderr
    both.assert_equal(*HISTORY, "staging_netflix_titles")


def test_a_late_snapshot_gives_the_history_of_the_right_order(both):
    days = {
        "2021-01-01": MANY,
        "2021-01-02": [*MANY[1:], title(1, rating="R")],
        "2021-01-03": [*MANY[2:], title(1, rating="R"), title(99)],
    }
    for at in ("2021-01-01", "2021-01-03", "2021-01-02"):
        both.run(catalogue(*days[at]), at)
    both.assert_equal(*HISTORY, "cdc_netflix_changes", "analytics_netflix_current")
    assert both.other.query("SELECT count(*) FROM ops_merges") == [(3,)]


def test_a_new_column_is_filled_without_changing_titles(both):
    without = [{k: v for k, v in record.items() if k != "description"} for record in MANY]
    both.run(catalogue(*without), "2021-01-01")
    both.run(catalogue(*MANY), "2021-01-02")
    both.assert_equal()
    assert both.other.query("SELECT max(filled), max(updated) FROM ops_merges") == [(60, 0)]


def test_a_column_is_one_entry_in_the_contract(both, tmp_path):
    """On a warehouse from before it: each night gets its own value. Without the entry it goes."""
    plain = (PROJECT / "sql" / "contract.toml").read_text()
    types = {"score": "number", "votes": "integer", "original": "boolean", "order": "text"}
    entries = "".join(f'[columns.{name}]\ntype = "{kind}"\n' for name, kind in types.items())
    path = tmp_path / "contract.toml"
    first = {"score": "7.5", "votes": "12", "original": "yes", "order": "a"}
    second = {"score": "8", "votes": "12.0", "original": "no", "order": "a"}
    lost = {"score": "7,5", "votes": "1,000", "original": "?", "order": ""}
    rest = MANY[3:]
    files = [
        catalogue(*(title(n, **values) for n, values in enumerate(night, 1)), *rest)
        for night in ((first, first, lost), (first, second, lost), (first, second, first))
    ]
    for day, (content, contract) in enumerate(
        ((files[0], plain), (files[1], plain + entries), (files[2], plain + entries),
         (files[2] + "\r\n", plain)), 1
    ):  # fmt: skip
        path.write_text(contract)
        accept = hashlib.sha256(contract.encode()).hexdigest()[:12]  # no replay can be undone here
        both.run(content, f"2021-01-0{day}", CONTRACT_PATH=str(path), ACCEPT=accept)
        both.assert_equal()
        if day == 3:
            query = "SELECT title_id, column_name, old_value, new_value FROM cdc_netflix_changes "
            query += "WHERE column_name IS NOT NULL AND title_id = 's2' ORDER BY column_name"
            assert both.duckdb.query(query) == both.other.query(query) == [
                ("s2", "original", "true", "false"), ("s2", "score", "7.5", "8.0")
            ]  # fmt: skip
    assert both.other.query("SELECT count(*) FROM analytics_netflix_history") == [(len(MANY),)]


def test_a_second_run_changes_nothing(both):
    both.run(catalogue(*MANY), "2021-01-01")
    before = both.other.content()
    again = both.run(catalogue(*MANY), "2021-01-01")
    assert "as before" in again.stdout
    assert both.other.content() == before


@pytest.mark.slow
def test_the_next_merge_repairs_one_killed_before_any_write(both):
    """Each run is killed one write later; it begins by taking back what the one before left."""
    both.run(catalogue(*MANY), "2021-01-01")
    tomorrow = [title(1, rating="R"), title(2, title="Corrected"), *MANY[3:], title(99)]
    both.run(catalogue(*tomorrow), "2021-01-02", *LANDING)
    before = both.other.content(*HISTORY)
    both.duckdb.step("06_merge_cdc")
    after = both.duckdb.content(*HISTORY)
    found, halves = [], 0
    for killed in killed_runs(both.other, "06_merge_cdc"):
        if both.other.content(*HISTORY) not in (before, after):
            halves += 1
            for number in TAKING_BACK:
                assert both.other.killed("06_merge_cdc", number).returncode == -signal.SIGKILL
        found.append(after_recovery(both.other))
        assert found[-1] in (before, after), killed
    found.append(both.other.content(*HISTORY))  # of the run that ended by itself
    news = [state == after for state in found]
    assert news == sorted(news)
    assert (news[0], news[-1]) == (False, True)
    assert halves
    both.assert_equal(*HISTORY, "cdc_netflix_changes")


def killed_runs(pipeline: Elsewhere, step: str) -> Iterator[int]:
    """Run a step again and again, each time killed later, until it ends by itself.

    Gives the number of the write that a run did not come to, while what it left is untouched.
    """
    every = KILLED_EVERY.get(
        pipeline.settings.get("SPARK_FORMAT") or pipeline.settings["WAREHOUSE"], 1
    )
    for number in range(1, 1000, every):
        done = pipeline.killed(step, number)
        if done.returncode != -signal.SIGKILL:
            break
        yield number
    assert done.returncode == 0, done.stderr
    assert number > 15


def after_recovery(pipeline: Elsewhere) -> dict[str, list[tuple]]:
    """The history, once step 06 took back what a merge had left: what it begins with."""
    with pipeline.warehouse() as con:
        import_module("history.tables").create_tables(con)
        return {name: normalised(con, name) for name in HISTORY}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["05_run_staging_sql", "08_build_analytics"])
def test_the_next_run_repairs_a_step_killed_before_any_write(both, step):
    both.run(catalogue(*MANY), "2021-01-01")
    tomorrow = catalogue(title(1, rating="R"), *MANY[2:], title(98, title=""), title(99))
    both.run(tomorrow, "2021-01-02", *STEPS[: STEPS.index(step)])
    both.duckdb.step(step)
    for _ in killed_runs(both.other, step):
        pass
    both.run(tomorrow, "2021-01-02")
    both.assert_equal()


def test_what_is_published_is_what_duckdb_publishes(both):
    both.run(catalogue(*MANY), "2021-01-01", *STEPS, "09_publish")
    published = [
        {
            str(path.relative_to(place)): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file() and path.suffix in (".csv", ".md", ".lkml")
        }
        for place in (p.root / "data/published/current" for p in (both.duckdb, both.other))
    ]
    assert len(published[0]) > 20
    assert published[0] == published[1]


@pytest.mark.slow
def test_a_warehouse_is_moved_with_its_history(both):
    """From DuckDB to the engine, whose next run goes on from there."""
    duckdb, other = both.duckdb, both.other
    for at, records in (("2021-01-01", MANY), ("2021-01-02", [*MANY[1:], title(1, title="")])):
        source = duckdb.put(catalogue(*records))
        assert duckdb.steps(*STEPS, NETFLIX_CSV=source, SNAPSHOT_AT=at).returncode == 0
    engine = {name: text for name, text in other.settings.items() if name not in duckdb.settings}
    to = engine.pop("WAREHOUSE")
    moved = duckdb.step("engines/migrate", "--to", to, **engine)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert moved.stdout.count(" equal\n") == 13
    shutil.copytree(duckdb.root / "data", other.root / "data")
    both.assert_equal("staging_netflix_quarantine", *HISTORY, "cdc_netflix_changes")
    # what is there already is not written over
    again = duckdb.step("engines/migrate", "--to", to, **engine)
    assert (again.returncode, "holds a history of 2 merges" in again.stderr) == (20, True)
    both.run(catalogue(*MANY[2:], title(1)), "2021-01-03")
    both.assert_equal()


@pytest.mark.parametrize(
    ("name", "arguments"), [("06_merge_cdc", ["--plan"]), ("10_rebuild_warehouse", [])]
)
def test_what_works_on_duckdb_only_says_so(both, name, arguments):
    result = both.other.step(name, *arguments, NETFLIX_CSV=both.other.put(catalogue(*MANY)))
    assert result.returncode == 2
    assert "works on DuckDB's file only" in result.stderr


def test_why_and_status_read_from_the_engine(both):
    both.run(catalogue(*MANY), "2021-01-01")
    why = both.other.step("11_explain_title", "s7")
    assert (why.returncode, "Title 7 (Movie, 2020)" in why.stdout) == (0, True)
    status = both.other.step("operations/status")
    assert (status.returncode, "60 titles (60 movies" in status.stdout) == (0, True)
