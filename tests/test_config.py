"""Settings: checked at start, from the environment before .env, relative to the project."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

import config
from config import PROJECT, Settings, load_settings
from errors import SettingsError


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
    "SNOWFLAKE_URL": "snowflake://user:password@account/database/schema",
    "BIGQUERY_DATASET": "a.b",
    "BIGQUERY_KEY_FILE": "key.json",
    "BIGQUERY_ENDPOINT": "http://localhost:9050",
    "SNAPSHOT_AT": "2020-01-18",
    "ACCEPT": "0123456789ab",
    "DUCKDB_THREADS": "2",
    "ALERT_URLS": "json://user:password@host",
    "HEARTBEAT_URL": "https://example.com/password",
}


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["defaults", "all"])
def test_every_value_has_the_type_of_its_field(given):
    settings, wrong = load_settings(given), {}
    for name, hint in get_type_hints(Settings).items():
        kinds = [get_origin(kind) or kind for kind in get_args(hint) or [hint]]
        if not isinstance(getattr(settings, name), kinds[0] if given else tuple(kinds)):
            wrong[name] = getattr(settings, name)
    assert wrong == {}


def test_a_repr_shows_no_secret():
    assert "password" not in repr(load_settings(GIVEN))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DUCKDB_MEMORY_LIMIT", "much"),
        ("DUCKDB_MEMORY_LIMIT", "1KB"),
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


def test_the_environment_goes_before_dotenv_and_dotenv_before_the_default(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("FRESHNESS_DAYS=3\nHTTP_RETRIES=1\nACCEPT=\n")
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    settings = load_settings({"HTTP_RETRIES": "2"})
    assert (settings.freshness_days, settings.http_retries, settings.accept) == (3, 2, None)


def test_a_step_with_a_wrong_setting_exits_2_and_touches_nothing(pipeline):
    result = pipeline.step("03_load_raw_to_duckdb", DUCKDB_THREADS="many")
    assert result.returncode == 2
    assert "DUCKDB_THREADS is 'many'; allowed is" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(pipeline.root.iterdir()) == []
