"""The contract: columns are bound by name, drift is reported, a breaking change stops the run."""

import re

import duckdb
import pytest
from conftest import CHAIN, COLUMNS, LANDING, PROJECT, catalogue, slow, title, without

from contract import bind, load_contract
from errors import SettingsError

CONTRACT = (PROJECT / "sql" / "contract.toml").read_text()
TEN = [title(number, director=f"Dir {number}", cast=f"Ann {number}") for number in range(1, 11)]
CHANGES = "SELECT kind, column_name FROM ops_schema_changes ORDER BY ALL"


def renamed(records, **names):
    return [{names.get(name, name): value for name, value in row.items()} for row in records]


def aliased(pipeline, **aliases):
    """The contract with these aliases and no others, in force for this pipeline."""
    text = re.sub(r"^aliases = .*\n", "", CONTRACT, flags=re.M)
    for name, alias in aliases.items():
        text = text.replace(f"[columns.{name}]", f'[columns.{name}]\naliases = ["{alias}"]')
    return in_force(pipeline, text)


def in_force(pipeline, text):
    path = pipeline.root / "contract.toml"
    path.write_text(text)
    pipeline.settings["CONTRACT_PATH"] = str(path)
    return path


def check(pipeline, text, **settings):
    """Deliver a file; the result of 04."""
    source = pipeline.put(text)
    assert pipeline.steps(*LANDING[:2], NETFLIX_CSV=source, **settings).returncode == 0
    return pipeline.step("04_check_schema", NETFLIX_CSV=source, **settings)


def content(pipeline):
    """Every table but the records of runs, of drift and of the state."""
    with duckdb.connect(str(pipeline.root / "dw.db"), read_only=True) as con:
        names = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return {
            name: con.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            for (name,) in names
            if name not in ("ops_runs", "ops_schema_changes", "ops_state", "ops_proven_files")
        }


def staged(pipeline):
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    return pipeline.query(f"SELECT {columns}, row_hash FROM staging_netflix_titles ORDER BY ALL")


@pytest.mark.slow
def test_case_blanks_underscores_and_order_make_no_difference(pipeline):
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    before = staged(pipeline)
    mixed = [dict(reversed(row.items())) for row in TEN]
    names = {name: f"  {name.replace('_', '  ').upper()} " for name in COLUMNS}
    result = pipeline.land(catalogue(*renamed(mixed, **names)))
    assert result.returncode == 0, result.stderr
    assert staged(pipeline) == before
    assert pipeline.query(CHANGES) == [("reordered", "(header)")]


@pytest.mark.slow
def test_a_catalogue_with_other_names_loads_by_the_contract_alone(pipeline):
    names = {"show_id": "Netflix ID", "type": "Kind", "title": "Name", "director": "directed by",
             "cast": "Stars", "country": "Made In", "date_added": "added", "release_year": "Year",
             "rating": "Age", "duration": "Length", "listed_in": "Genre",
             "description": "Plot"}  # fmt: skip
    other = catalogue(*renamed(TEN, **names))
    assert pipeline.land(other).returncode == 20
    aliased(pipeline, **names)
    result = pipeline.land(other)
    assert result.returncode == 0, result.stderr
    renamed_content = staged(pipeline)
    assert pipeline.query("SELECT DISTINCT kind FROM ops_schema_changes") == [("renamed",)]
    assert [row[:12] for row in renamed_content] == sorted(
        (
            *(row[name] for name in COLUMNS[:6]),
            pipeline.query("SELECT DATE '2021-09-25'")[0][0],
            2020,
            *(row[name] for name in COLUMNS[8:]),
        )
        for row in TEN
    )
    assert pipeline.steps(*CHAIN[4:]).returncode == 0
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(10,)]
    # The publisher goes back to the old names: nothing changes in any title.
    result = pipeline.land(catalogue(*TEN))
    assert result.returncode == 0
    assert staged(pipeline) == renamed_content


def test_a_columns_own_name_beats_an_alias(pipeline):
    contract = load_contract(aliased(pipeline, title="name"))
    assert bind(contract, ["NAME", "Title"])["title"] == "Title"
    assert bind(contract, ["NAME"])["title"] == "NAME"
    assert bind(contract, ["other"])["title"] is None


def test_an_optional_missing_column_is_null_and_reported(pipeline):
    result = check(pipeline, catalogue(*without(TEN, "director", "description")))
    assert result.returncode == 0
    assert "column director removed: not in the file, so NULL." in result.stderr
    assert pipeline.step("05_run_staging_sql").returncode == 0
    assert pipeline.query("SELECT count(*), count(director) FROM staging_netflix_titles") == [
        (10, 0)
    ]
    assert pipeline.query(CHANGES) == [("removed", "description"), ("removed", "director")]


@pytest.mark.slow
def test_a_required_missing_column_stops_before_any_table_changes(pipeline, loaded_once):
    before = content(pipeline.copy_of(loaded_once))
    result = check(pipeline, catalogue(*renamed(TEN, title="headline")))
    assert result.returncode == 20
    assert "required column title is not in the file." in result.stderr
    assert "The file has: show_id, type, headline, director" in result.stderr
    assert content(pipeline) == before
    assert pipeline.query(CHANGES) == [("added", "headline"), ("removed", "title")]
    # Going on by hand does not help it in, and the next sound file goes through.
    again = pipeline.step("05_run_staging_sql")
    assert (again.returncode, again.stdout) == (20, "")
    told = "".join(result.stderr.splitlines(keepends=True)[-2:])
    assert again.stderr == told.replace("schema ", "staging")
    assert content(pipeline) == before
    assert pipeline.query(CHANGES) == [("added", "headline"), ("removed", "title")]
    assert pipeline.land(catalogue(*TEN)).returncode == 0


def test_the_message_on_missing_columns_names_each_once_and_how_to_add_an_alias(pipeline):
    result = check(pipeline, catalogue(*renamed(TEN, title="headline", release_year="made")))
    assert result.returncode == 20
    assert result.stderr.splitlines()[-2] == (
        "schema    stopped: required columns title, release_year are not in the file. "
        "The file has: show_id, type, headline, director, cast, country, date_added, "
        "made, rating, duration, listed_in, description. If one of these is it, write into "
        '[columns.title] of the contract: aliases = ["its name in the file"]'
    )
    assert "so NULL" not in result.stderr


@pytest.mark.slow
def test_a_type_that_the_contract_allows_passes_every_check(pipeline):
    in_force(pipeline, CONTRACT.replace('"TV Show"]', '"TV Show", "Short"]'))
    source = pipeline.put(catalogue(*TEN, title(11, type="Short")))
    result = pipeline.steps(*CHAIN, NETFLIX_CSV=source)
    assert result.returncode == 0, result.stderr
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(11,)]
    in_force(pipeline, CONTRACT)  # taken back, the audit says what to do
    failed = pipeline.step("07_monitor_pipeline")
    assert (failed.returncode, "fail: accepted_types, 1 row" in failed.stderr) == (30, True)
    assert "What to do: allow the value in the contract" in failed.stderr


@pytest.mark.slow
def test_an_unknown_column_stays_in_raw_and_disturbs_nothing(pipeline):
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    before = staged(pipeline)
    more = [row | {"imdb score": "7.9", "": "", "_": ""} for row in TEN]
    result = pipeline.land(catalogue(*more))
    assert result.returncode == 0
    assert staged(pipeline) == before
    assert pipeline.query(CHANGES) == [("added", "imdb score")]
    assert pipeline.query('SELECT DISTINCT "imdb score" FROM raw_netflix_titles') == [("7.9",)]
    # It is reported once: the next file with it brings no news.
    assert pipeline.land(catalogue(*more, title(11) | {"imdb score": "8"})).returncode == 0
    assert pipeline.query(CHANGES) == [("added", "imdb score")]


@pytest.mark.slow
def test_unnamed_columns_are_noise_while_empty_and_drift_once_they_hold_something(pipeline):
    noise = catalogue(*[row | {"x": ""} for row in TEN], header=",".join((*COLUMNS, "")))
    result = pipeline.land(noise)
    assert result.returncode == 0, result.stderr
    assert pipeline.query(CHANGES) == []
    filled = catalogue(*[row | {"x": "!"} for row in TEN], header=",".join((*COLUMNS, "")))
    assert pipeline.land(filled).returncode == 0
    assert pipeline.query(CHANGES) == [("added", "unnamed_13")]


@pytest.mark.parametrize("missing", ["title", *slow("listed_in")])
def test_a_renamed_column_is_recognised_by_its_values(pipeline, missing):
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    changed = [row | {"listed_in": "News"} if row["show_id"] == "s1" else row for row in TEN]
    changed = [row | {"title": "News"} if row["show_id"] == "s1" else row for row in changed]
    changed = renamed([*changed, title(11)], **{missing: "genre ''"})
    result = check(pipeline, catalogue(*changed))
    assert result.returncode == (20 if missing == "title" else 0)
    suggestion = (
        f""""genre ''" looks like it, renamed (90.0 % equal by key); if so, write into """
        f"""[columns.{missing}] of the contract: aliases = ["genre ''"]"""
    )
    assert suggestion in result.stderr
    ((detail,),) = pipeline.query("SELECT detail FROM ops_schema_changes WHERE kind = 'removed'")
    assert suggestion in detail
    # The line that it gives, written where it says, fixes it.
    line = suggestion.split("contract: ")[1]
    in_force(pipeline, CONTRACT.replace(f"[columns.{missing}]", f"[columns.{missing}]\n{line}"))
    result = pipeline.land(catalogue(*changed))
    assert result.returncode == 0, result.stderr
    assert pipeline.query(f"SELECT count({missing}) FROM staging_netflix_titles") == [(11,)]


def test_a_renamed_key_is_recognised_by_its_values_too(pipeline):
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    result = pipeline.land(catalogue(*renamed(TEN, show_id="number")))
    assert result.returncode == 20
    assert "'number' looks like it, renamed (100.0 % of its values found)" in result.stderr


@pytest.mark.slow
def test_a_removed_column_resembles_no_other(pipeline):
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    other = [row | {"score": "7"} for row in without(TEN, "listed_in")]
    assert pipeline.land(catalogue(*other)).returncode == 0
    assert pipeline.query("SELECT detail FROM ops_schema_changes WHERE kind = 'removed'") == [
        ("not in the file, so NULL.",)
    ]


DRIFT = {
    "added": [row | {"extra": "x"} for row in TEN],
    "removed": without(TEN, "description"),
    "renamed": renamed(TEN, cast="actors"),
    "reordered": [dict(reversed(row.items())) for row in TEN],
    "retyped": [row | {"duration": "1:30"} for row in TEN],
}


def with_policy(kind, verdict):
    return re.sub(rf'^{kind} = "\w+"', f'{kind} = "{verdict}"', CONTRACT, flags=re.M)


@pytest.mark.parametrize("kind", DRIFT)
def test_each_kind_of_change_warns_as_the_policy_says(pipeline, loaded_once, kind):
    in_force(pipeline.copy_of(loaded_once), with_policy(kind, "warn"))
    result = check(pipeline, catalogue(*DRIFT[kind]))
    assert (result.returncode, f" {kind}: " in result.stderr) == (0, True)


@pytest.mark.parametrize("kind", DRIFT)
def test_each_kind_of_change_stops_as_the_policy_says(pipeline, loaded_once, kind):
    in_force(pipeline.copy_of(loaded_once), with_policy(kind, "stop"))
    before = content(pipeline)
    stopped = check(pipeline, catalogue(*DRIFT[kind]))
    assert (stopped.returncode, content(pipeline)) == (20, before)
    assert f"was {kind} (" in stopped.stderr
    assert "the contract's policy for that is stop" in stopped.stderr
    (change,) = pipeline.query("SELECT kind, column_name FROM ops_schema_changes")
    assert change[0] == kind
    # Stopped again it is still one row, and running 05 by hand does not get round it.
    assert pipeline.step("04_check_schema").returncode == 20
    assert pipeline.step("05_run_staging_sql").returncode == 20
    assert pipeline.query("SELECT kind, column_name FROM ops_schema_changes") == [change]
    assert content(pipeline) == before
    # ACCEPT of that file lets it pass, for good.
    accept = stopped.stderr.split("ACCEPT=")[1].split()[0]
    assert pipeline.step("04_check_schema", ACCEPT="0" * 12).returncode == 20
    assert pipeline.step("04_check_schema", ACCEPT=accept).returncode == 0
    assert pipeline.step("04_check_schema").returncode == 0
    assert pipeline.step("05_run_staging_sql").returncode == 0


def test_a_changed_contract_judges_again_what_it_let_pass(pipeline, loaded_once):
    in_force(pipeline.copy_of(loaded_once), with_policy("reordered", "warn"))
    assert pipeline.land(catalogue(*DRIFT["reordered"])).returncode == 0
    again = pipeline.step("04_check_schema")
    assert (again.returncode, again.stderr, "as before" in again.stdout) == (0, "", True)
    in_force(pipeline, with_policy("reordered", "stop"))
    stopped = pipeline.step("04_check_schema")
    assert (stopped.returncode, "was reordered (" in stopped.stderr) == (20, True)


def test_a_few_values_of_another_type_do_not_retype_a_column(pipeline):
    some = [row | {"duration": "1:30"} if row["show_id"] < "s5" else row for row in TEN]
    assert pipeline.land(catalogue(*some)).returncode == 0
    assert pipeline.query(CHANGES) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((r"\A", "[["), "cannot be read"),
        ((r"\A", "\x00"), "cannot be read"),
        ((r"(?s)\[policy\].*?(?=\[columns)", ""), "unknown or missing entry: 'policy'"),
        (('retyped = "stop"', ""), "unknown or missing entry: 'retyped'"),
        (('retyped = "stop"', 'retyped = "halt"'), "policy retyped must be warn or stop"),
        (('type = "year"', 'type = "decimal"'), "type of release_year is 'decimal'; allowed is"),
        (('type = "year"', 'type = "number"'), "type of release_year must be year"),
        (
            ('type = "text"\nrequired = true\nkey', 'type = "integer"\nrequired = true\nkey'),
            "type of show_id is 'integer', must be text or list",
        ),
        (('type = "year"', 'kind = "year"'), "unknown or missing entry"),
        (('type = "year"', 'type = ["year"]'), "type of release_year is"),
        ((r"required = true\nkey", 'required = "yes"\nkey'), "required of show_id must be true"),
        ((r"aliases = \[\"id\"\]", 'aliases = "id"'), "aliases of show_id must be a list"),
        ((r"aliases = \[\"id\"\]", "aliases = [1]"), "aliases of show_id must be a list"),
        ((r"aliases = \[\"id\"\]", 'aliases = [" "]'), "aliases of show_id must be a list"),
        ((r"aliases = \[\"id\"\]", 'aliases = ["Title"]'), "'title' names two columns"),
        ((r"\nkey = true", ""), "no column is the key"),
        ((r"\[columns.director\]\ntype = .list.", ""), "has no column director"),
        ((r"\Z", '\n[columns.valid_from]\ntype = "text"\n'), "called valid_from, as one of the"),
        ((r"\Z", '\n[columns.record_hash]\ntype = "text"\n'), "record_hash, as one of the"),
        ((r"\Z", '\n[columns."IMDb Score"]\ntype = "text"\n'), "'IMDb Score'; a name has small"),
        ((r"\Z", "\n[columns.'a\\\"b']\ntype = 'text'\n"), "small letters, digits and _"),
        ((r"\Z", '\n[columns.2nd]\ntype = "text"\n'), "no digit first"),
        ((r"\Z", '\n[columns.""]\ntype = "text"\n'), "is called ''; a name has small"),
        ((r"\Z", '\n[columns.score]\ntype = "year"\n'), "which only release_year has; take"),
        ((r"\Z", '\n[columns.score]\ntype = "text"\nrange = [0, 10]\n'), "only a number or inte"),
        ((r"\Z", '\n[columns.score]\ntype = "number"\nrange = [10, 0]\n'), "must be two numbers"),
        ((r"\Z", '\n[columns.score]\ntype = "number"\nrange = [1]\n'), "must be two numbers"),
        ((r"\Z", '\n[columns.score]\ntype = "number"\ndescription = 1\n'), "must be a text"),
        (('type = "date"', 'type = "text"'), "type of date_added must be date"),
        (
            ('type = "date"', 'type = "date"\nformats = ["DD/MM/YYYY"]'),
            "formats of date_added must",
        ),
        (('type = "date"', 'type = "date"\nformats = ["%d %m"]'), "formats of date_added must be"),
        (('type = "date"', 'type = "date"\nunit = "minutes"'), "has unit, and is a date; only a"),
        (
            ('type = "list"', 'type = "list"\nseparator = "and"'),
            "separator of director must be one",
        ),
        (('type = "list"', 'type = "list"\nbrackets = "[]"'), "brackets of director must be true"),
        (('type = "list"', 'type = "list"\nvalues = ["a"]'), "values of director must be a table"),
        ((r"minutes = \[1, 1440\]", "minutes = [9, 1]"), "minutes of duration must be two whole"),
        (("odd_titles_pct = 5", "odd_titles_pct = 101"), "odd_titles_pct must be a number from 0"),
    ],
)
def test_a_wrong_contract_file_exits_2_and_says_where(pipeline, loaded_once, wrong, message):
    text, count = re.subn(*wrong, CONTRACT, count=1)
    assert count == 1
    in_force(pipeline.copy_of(loaded_once), text)
    before = pipeline.digests(), pipeline.tables()
    for name in ("02_create_raw_layer", "04_check_schema", "05_run_staging_sql"):
        result = pipeline.step(name, NETFLIX_CSV=pipeline.put(catalogue(*TEN)))
        assert (result.returncode, message in result.stderr) == (2, True), result.stderr
    assert (pipeline.digests(), pipeline.tables()) == before


def test_a_missing_contract_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere.toml cannot be read: .*No such file"):
        load_contract(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", ["04_check_schema", "05_run_staging_sql"])
def test_an_unloaded_snapshot_is_not_mistaken_for_the_loaded_one(pipeline, loaded_once, name):
    before = content(pipeline.copy_of(loaded_once))
    assert pipeline.raw(catalogue(*TEN)).returncode == 0
    result = pipeline.step(name)
    assert (result.returncode, "is not loaded yet. Run" in result.stderr) == (2, True)
    assert content(pipeline) == before
    assert pipeline.steps("03_load_raw_to_duckdb", name).returncode == 0


@pytest.mark.slow
def test_step_05_alone_stops_and_passes_as_step_04_does(pipeline):
    """The columns are bound, compared and recorded as there; ACCEPT counts here, too."""
    assert pipeline.land(catalogue(*TEN)).returncode == 0
    in_force(pipeline, CONTRACT.replace('added = "warn"', 'added = "stop"'))
    before = content(pipeline)
    assert pipeline.raw(catalogue(*(row | {"score": "1"} for row in TEN))).returncode == 0
    assert pipeline.step("03_load_raw_to_duckdb").returncode == 0
    stopped = pipeline.step("05_run_staging_sql")
    assert (stopped.returncode, "column score was added" in stopped.stderr) == (20, True)
    assert content(pipeline) == before
    assert pipeline.query(CHANGES) == [("added", "score")]
    accept = pipeline.batches()[-1]["source_sha256"][:12]
    assert pipeline.step("05_run_staging_sql", ACCEPT=accept).returncode == 0
    assert pipeline.query(CHANGES) == [("added", "score")]
    assert pipeline.query("SELECT count(*) FROM staging_netflix_titles") == [(10,)]
