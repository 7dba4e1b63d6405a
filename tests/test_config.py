"""Settings: checked at start, from the environment before .env, relative to the project."""

import os
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import duckdb
import pytest
from titles import catalogue, title

import config
from config import PROJECT, Settings, load_settings
from errors import SettingsError
from runner.redact import complete_command
from warehouse.database import connect


def test_defaults_are_valid_and_relative_to_the_project():
    settings = load_settings({})
    assert settings.data_dir == PROJECT / "data"
    assert settings.warehouse_path == PROJECT / "netflix_dw.db"
    assert settings.source == str(PROJECT / "data" / "raw" / "netflix_titles.csv")
    assert (settings.accept, settings.snapshot_at, settings.duckdb_threads) == (None, None, None)


GIVEN = {
    "NETFLIX_CSV": "https://user:password@example.com/a.csv",
    "SPARK_REMOTE": "sc://host/;token=password",
    "SPARK_LOCATION": "/mnt/a",
    "SPARK_SCHEMA": "lake.titles",
    "SNOWFLAKE_URL": "snowflake://user:password@account/database/schema",
    "BIGQUERY_DATASET": "a.b",
    "BIGQUERY_KEY_FILE": "key.json",
    "BIGQUERY_ENDPOINT": "http://localhost:9050",
    "SNAPSHOT_AT": "2020-01-18",
    "ACCEPT": "0123456789ab",
    "DUCKDB_THREADS": "2",
    "ALERT_URLS": "json://user:password@host",
    "DIGEST_URLS": "json://user:password@host",
    "HEARTBEAT_URL": "https://example.com/password",
    "MIRROR_URL": "s3://user:password@bucket/prefix",
}


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["defaults", "all"])
def test_every_value_has_the_type_of_its_field(given):
    settings, wrong = load_settings(given), {}
    for name, hint in get_type_hints(Settings).items():
        kinds = [get_origin(kind) or kind for kind in get_args(hint) or [hint]]
        if not isinstance(getattr(settings, name), kinds[0] if given else tuple(kinds)):
            wrong[name] = getattr(settings, name)
    assert wrong == {}


def test_a_setting_that_allows_any_more_takes_any_more():
    """Else the sentence on a value that is too high says that it is allowed."""
    hints = get_type_hints(Settings)
    for setting in fields(Settings):
        if "or more" in setting.metadata["allowed"] and hints[setting.name] is int:
            assert setting.metadata["parse"](f"{10**18}") == 10**18, setting.name


def test_a_repr_shows_no_secret():
    assert "password" not in repr(load_settings(GIVEN))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DUCKDB_MEMORY_LIMIT", "much"),
        ("DUCKDB_MEMORY_LIMIT", "1KB"),
        ("DUCKDB_MEMORY_LIMIT", "127MB"),
        ("DUCKDB_THREADS", "0"),
        ("DUCKDB_THREADS", "two"),
        ("SNAPSHOT_AT", "yesterday"),
        ("ACCEPT", "abc"),
        ("ACCEPT", "zzzzzzzzzzzz"),
        ("CDC_KEY", "name"),
        ("MAX_DELETED_PCT", "101"),
        ("MAX_DELETED_ROWS", "-1"),
        ("MAX_FILE_SIZE", "0GB"),
        ("MAX_FILE_SIZE", "1 parsec"),
        ("FRESHNESS_DAYS", "0"),
        ("HTTP_TIMEOUT_S", "1.5"),
    ],
)
def test_a_wrong_value_names_the_variable_the_value_and_what_is_allowed(name, value):
    with pytest.raises(SettingsError) as error:
        load_settings({name: value})
    allowed = {setting.name.upper(): setting.metadata["allowed"] for setting in fields(Settings)}
    assert f"{name} is {value!r}; allowed is {allowed[name]}" in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-18", datetime(2020, 1, 18)),
        ("2020-01-18T03:00Z", datetime(2020, 1, 18, 3)),
        ("2020-01-18 03:00:00+02:00", datetime(2020, 1, 18, 1)),
    ],
)
def test_times_are_utc(text, expected):
    assert load_settings({"SNAPSHOT_AT": text}).snapshot_at == expected


def test_sizes_paths_and_urls():
    settings = load_settings(
        {
            "MAX_FILE_SIZE": "1.5 GiB",
            "DATA_DIR": "/some where/data",
            "NETFLIX_CSV": "https://example.com/a.csv",
        }
    )
    assert settings.max_file_size == 3 * 2**29
    assert settings.latest == Path("/some where/data/raw/netflix_titles_raw.parquet")
    assert settings.source == "https://example.com/a.csv"


@pytest.fixture
def write_env_file(tmp_path, monkeypatch) -> Callable[[bytes], Path]:
    """A function that writes the .env of a project in a temporary folder."""
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")

    def write(content: bytes) -> Path:
        (tmp_path / ".env").write_bytes(content)
        return tmp_path / ".env"

    return write


def test_the_environment_beats_dotenv_and_dotenv_beats_the_default(write_env_file):
    write_env_file(b"FRESHNESS_DAYS=3\nHTTP_RETRIES=1\nACCEPT=\n")
    settings = load_settings({"HTTP_RETRIES": "2"})
    assert (settings.freshness_days, settings.http_retries, settings.accept) == (3, 2, None)


def test_a_command_is_completed_by_what_was_given_and_is_not_in_dotenv(write_env_file, monkeypatch):
    write_env_file(b"FRESHNESS_DAYS=3\nHTTP_RETRIES=1\n")
    for name in config.NAMES:
        monkeypatch.delenv(name, raising=False)
    text = "the file looks cut. If it is right: make run-all ACCEPT=0123456789ab\n  line 3"
    given = {"FRESHNESS_DAYS": "3", "ACCEPT": "ba9876543210", "ALLOW_SAMPLE": "no"}
    monkeypatch.setattr("os.environ", given)
    assert complete_command(text) == text
    given |= {
        "HTTP_RETRIES": "2",
        "NETFLIX_CSV": "their file.csv",
        "ALERT_URLS": "json://a:secret@b",
    }
    completed = f"{text}\n  With what was given: make run-all ACCEPT=0123456789ab"
    assert complete_command(text) == (
        f"{completed} NETFLIX_CSV='their file.csv' HTTP_RETRIES=2 ALERT_URLS=..."
    )
    given["NETFLIX_CSV"] = "https://user:secret@host/a.csv?key=secret"
    assert "secret" not in complete_command(text)
    assert complete_command("no input file: make sample") == "no input file: make sample"


@pytest.mark.parametrize(
    "line",
    [
        b"FRESHNESS_DAYS=3",
        b"  export FRESHNESS_DAYS = '3'  # days",
        b"\xef\xbb\xbfFRESHNESS_DAYS=3",
        b'\r\nFRESHNESS_DAYS="3"\r\n',
        b"HTTP_RETRIES=3\nFRESHNESS_DAYS=${HTTP_RETRIES}",
    ],
)
def test_a_line_of_dotenv_is_read_as_python_dotenv_reads_it(write_env_file, line):
    write_env_file(b"# a comment\n\n" * (b"\xef" not in line) + line)
    assert load_settings({}).freshness_days == 3


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"ALERT_URLS=mailto://user:s3cr3t\xe4@example.com", 1, "has a byte that is not UTF-8"),
        (b"# \xc3\xa4\r\n\r\nALERT_URLS='s3cr3t\xff'", 3, "has a byte that is not UTF-8"),
        (b'MAX_DELETED_PCT="s3cr3t\nFRESHNESS_DAYS=1', 1, "is not NAME=value"),
        (b"FRESHNESS_DAYS=1\n\n\nHEARTBEAT_URL='s3cr3t' x", 4, "is not NAME=value"),
        (b"FRESHNESS_DAYS=1\ns3cr3t", 2, "is not NAME=value"),
        (b"ALERT_URLS=a://b\nmailto://user:s3cr3t@host?a=b", 2, "is not NAME=value"),
        (b"=s3cr3t", 1, "is not NAME=value"),
        (b"MAX_DELETD_ROWS=s3cr3t", 1, "MAX_DELETD_ROWS is no setting; did you mean MAX_DELETED_R"),
        (b"\nNETFLIX_CVS=s3cr3t", 2, "NETFLIX_CVS is no setting; did you mean NETFLIX_CSV?"),
        (b"AWS_REGION=s3cr3t", 1, "AWS_REGION is no setting"),
    ],
)
def test_a_line_of_dotenv_that_is_not_a_setting_is_named_without_its_value(
    write_env_file, content, line, words
):
    path = write_env_file(content)
    with pytest.raises(SettingsError) as error:
        load_settings({})
    assert str(error.value).startswith(f"{path} line {line}")
    assert words in str(error.value) and "s3cr3t" not in str(error.value)


def test_a_dotenv_that_cannot_be_read_is_a_wrong_setting(write_env_file, monkeypatch):
    path = write_env_file(b"ACCEPT=")
    monkeypatch.setattr(Path, "read_bytes", lambda _: Path("/nowhere").stat())
    with pytest.raises(SettingsError, match=f"{path} cannot be read"):
        load_settings({})


def slips(name: str) -> set[str]:
    """What a hand makes of a name: one letter left out, doubled, changed, two letters swapped."""
    made = set()
    for at in range(len(name)):
        head, letter, tail = name[:at], name[at], name[at + 1 :]
        made |= {head + tail, head + letter * 2 + tail, head + "X" + tail}
        made.add(head + tail[:1] + letter + tail[1:])
    return made - {name}


def test_a_misspelled_setting_is_reported_with_the_right_name():
    names = set(config.NAMES)
    made = {slip: name for name in names for slip in slips(name) - names}
    told = {slip: config.suggest_name(slip) for slip in made}
    assert [slip for slip, hint in told.items() if not hint] == []
    right = [slip for slip, name in made.items() if told[slip] == f"; did you mean {name}?"]
    assert len(right) > 0.95 * len(made)  # MAX_UPDTED_PCT is near to another one, too


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("rR --no-print-directory -- NETFLIX_CVS=/a.csv", "NETFLIX_CVS is no setting; did you me"),
        (" -- VENV=v MAX_DELETD_ROWS=1", "MAX_DELETD_ROWS is no setting; did you mean MAX_DELE"),
        (" -- NETFLIX_CSV=a KEY=b QUIET=1 ROWS=2 ENGINES=spark", ""),
        ("-- KEY=a\\ NETFLIX_CVS=b", ""),  # a title
        ("", ""),
    ],
)
def test_a_name_given_to_make_that_is_nearly_a_setting_is_named(flags, named):
    with pytest.raises(SettingsError) if named else nullcontext() as error:
        load_settings({"MAKEFLAGS": flags})
    assert named in str(error.value if named else "")


PATHS = [name for name, hint in get_type_hints(Settings).items() if Path in (hint, *get_args(hint))]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_not_a_url(name):
    with pytest.raises(SettingsError, match="no URL"):
        load_settings({name.upper(): "s3://bucket/netflix"})


def test_a_step_with_a_wrong_setting_exits_2_and_touches_nothing(pipeline):
    result = pipeline.step("03_load_raw_to_duckdb", DUCKDB_THREADS="many")
    assert result.returncode == 2
    assert "DUCKDB_THREADS is 'many'; allowed is" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(pipeline.root.iterdir()) == []


@pytest.mark.parametrize(
    ("landed", "path", "given", "threads", "codec"),
    [
        (None, "dw.db", "", None, "dictionary"),
        (1_999_999, "dw.db", "", 1, "dictionary"),
        (1_999_999, "dw.db", "3", 3, "dictionary"),
        (1_999_999, ":memory:", "", None, "dictionary"),  # a file is landed: it may be larger
        (2_000_000, "dw.db", "", None, "dictionary"),
        (4_000_000, "dw.db", "", None, "fsst"),
    ],
)
def test_the_size_of_the_newest_snapshot_decides(tmp_path, landed, path, given, threads, codec):
    """On the threads, which are else one per core, and on how text is stored."""
    settings = load_settings({"DATA_DIR": str(tmp_path), "DUCKDB_THREADS": given})
    if landed:
        settings.latest.parent.mkdir()
        settings.latest.touch()
        os.truncate(settings.latest, landed)
    with duckdb.connect() as con:
        cores = con.execute("SELECT current_setting('threads')").fetchone()[0]
    place = path if path == ":memory:" else tmp_path / path
    with closing(connect(place, settings)) as con:
        row = con.execute(
            "SELECT current_setting('threads'), current_setting('force_compression')"
        ).fetchone()
    assert (row[0], row[1].lower()) == (threads or cores, codec)


@pytest.mark.slow
def test_the_least_memory_is_enough_for_a_night_whatever_the_number_of_cores(pipeline):
    settings = {"DUCKDB_MEMORY_LIMIT": "128MB", "DUCKDB_THREADS": "64", "FRESHNESS_DAYS": "36500"}
    done = pipeline.land(catalogue(*map(title, range(1, 201))), **settings)
    assert done.returncode == 0, done.stderr
    for name in ("06_merge_cdc", "07_monitor_pipeline", "08_build_analytics", "09_publish"):
        done = pipeline.step(name, NEWEST_TITLE_DAYS="36500", **settings)
        assert done.returncode == 0, done.stderr
