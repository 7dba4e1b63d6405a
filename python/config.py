"""Settings: from the environment, else from .env, else the default; each one checked at start.

Every setting is one line of SETTINGS; .env.example lists the same names (a test holds them to
each other). Relative paths are relative to the project folder, never to the working directory.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from errors import SettingsError

PROJECT = Path(__file__).resolve().parent.parent
SQL = PROJECT / "sql"
UNIT_BYTES = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNIT_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def project_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    return PROJECT / Path(text).expanduser()


def duckdb_path(text: str) -> Path:
    """A path that DuckDB takes as it is: it is text, and no ? begins options of a URL in it."""
    path = project_path(text)
    if "?" in os.fsencode(path).decode():  # bytes that are no UTF-8 are a ValueError
        raise ValueError
    return path


def source(text: str) -> str:
    """A URL stays as it is; a path is made absolute.

    A path is shown in messages, so a URL with a typo must not be taken for one: it has a password.
    """
    if "://" not in text and re.match(r"(https?|s3|gs):|[^/].*:.*@", text):
        raise ValueError
    return text if "://" in text else str(project_path(text))


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip()).groups()
    value = int(float(number) * UNIT_BYTES[unit.upper()])
    if value <= 0:
        raise ValueError
    return value


def memory(text: str) -> int:
    """Bytes; DuckDB needs some room to work at all."""
    if size(text) < 50_000_000:
        raise ValueError
    return size(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def percent(text: str) -> float:
    if not 0 <= float(text) <= 100:
        raise ValueError
    return float(text)


def instant(text: str) -> datetime:
    """An ISO date or time; without an offset it is UTC. Returned in UTC, without tzinfo."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment


def digest_start(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{12,64}", text):
        raise ValueError
    return text.lower()


def urls(text: str) -> tuple[str, ...]:
    """URLs between blanks; what Apprise makes of them is known only when it sends."""
    found = tuple(text.split())
    if not all(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://.", url) for url in found):
        raise ValueError
    return found


def web_url(text: str) -> str:
    if not re.fullmatch(r"https?://\S+", text.strip()):
        raise ValueError
    return text.strip()


def spark_remote(text: str) -> str:
    """A Spark Connect URL; it may hold a token."""
    if not re.fullmatch(r"sc://[^\s/]+(/\S*)?", text.strip()):
        raise ValueError
    return text.strip()


def snowflake_url(text: str) -> str:
    """It may hold a password: snowflake://user:password@account/database/schema?name=value&..."""
    if not re.fullmatch(r"snowflake://[^\s/?#]+/[^\s/?#]+/[^\s/?#]+(\?\S*)?", text.strip()):
        raise ValueError
    return text.strip()


def dataset(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9:-]*\.[A-Za-z0-9_]+", text.strip()):
        raise ValueError
    return text.strip()


def schedule(text: str) -> str:
    """The five fields of a crontab line: numbers, ranges, lists and steps."""
    if not re.fullmatch(r"[\d*/,-]+( +[\d*/,-]+){4}", text.strip()):
        raise ValueError
    return " ".join(text.split())


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


@dataclass(frozen=True)
class Setting:
    name: str
    default: str  # "" means unset: the setting is None
    parse: Callable[[str], Any]
    allowed: str
    secret: bool = False  # its value is in no message


WAREHOUSES = ("duckdb", "spark", "snowflake", "bigquery")
ROWS = whole(0, 10**12)
DAYS = whole(1, 36500)
SETTINGS = (
    Setting("NETFLIX_CSV", "", source, "a path or a URL (http, https, s3, gs)", secret=True),
    Setting("DATA_DIR", "data", duckdb_path, "a folder, UTF-8, no ? in its path"),
    Setting("WAREHOUSE_PATH", "netflix_dw.db", duckdb_path, "a file name, UTF-8, no ?"),
    Setting("WAREHOUSE", "duckdb", one_of(*WAREHOUSES), ", ".join(WAREHOUSES)),
    Setting("SPARK_REMOTE", "", spark_remote, "a URL like sc://host:15002", secret=True),
    Setting("SPARK_LOCATION", "", source, "a folder or URL that the Spark cluster writes to"),
    Setting(
        "SNOWFLAKE_URL",
        "",
        snowflake_url,
        "a URL like snowflake://user@account/database/schema?warehouse=name",
        secret=True,
    ),
    Setting("BIGQUERY_DATASET", "", dataset, "project.dataset"),
    Setting("BIGQUERY_KEY_FILE", "", project_path, "the file of a service account's key"),
    Setting("BIGQUERY_ENDPOINT", "", web_url, "a URL (http, https)"),
    Setting("LOG_DIR", "logs", project_path, "a folder"),
    Setting("CONTRACT_PATH", "sql/contract.toml", project_path, "a file name"),
    Setting(
        "SNAPSHOT_AT", "", instant, "an ISO date or time, like 2020-01-18 or 2020-01-18T03:00Z"
    ),
    Setting("ACCEPT", "", digest_start, "the first 12 or more hex digits of the file's SHA-256"),
    Setting("CDC_KEY", "show_id", one_of("show_id", "title"), "show_id or title"),
    Setting("DUCKDB_MEMORY_LIMIT", "4GB", memory, "a size of 50MB or more, like 512MB or 2GB"),
    Setting("DUCKDB_THREADS", "", whole(1, 1024), "a whole number from 1 to 1024"),
    Setting("MAX_FILE_SIZE", "20GB", size, "a size, like 500MB or 20GB"),
    Setting("HTTP_TIMEOUT_S", "30", whole(1, 3600), "whole seconds from 1 to 3600"),
    Setting("HTTP_RETRIES", "3", whole(0, 20), "a whole number from 0 to 20"),
    Setting("MAX_REJECTED_ROWS", "20", ROWS, "a whole number, 0 or more"),
    Setting("MAX_REJECTED_PCT", "1", percent, "a number from 0 to 100"),
    Setting("MAX_QUARANTINED_ROWS", "20", ROWS, "a whole number, 0 or more"),
    Setting("MAX_QUARANTINED_PCT", "1", percent, "a number from 0 to 100"),
    Setting("MAX_LOST_IN_CAST_ROWS", "20", ROWS, "a whole number, 0 or more"),
    Setting("MAX_LOST_IN_CAST_PCT", "1", percent, "a number from 0 to 100"),
    Setting("MAX_INSERTED_ROWS", "1000", ROWS, "a whole number, 0 or more"),
    Setting("MAX_INSERTED_PCT", "50", percent, "a number from 0 to 100"),
    Setting("MAX_UPDATED_ROWS", "100", ROWS, "a whole number, 0 or more"),
    Setting("MAX_UPDATED_PCT", "50", percent, "a number from 0 to 100"),
    Setting("MAX_DELETED_ROWS", "20", ROWS, "a whole number, 0 or more"),
    Setting("MAX_DELETED_PCT", "10", percent, "a number from 0 to 100"),
    Setting("FRESHNESS_DAYS", "7", DAYS, "whole days, 1 or more"),
    Setting("SAME_BYTES_DAYS", "5", DAYS, "whole days, 1 or more"),
    Setting("NEWEST_TITLE_DAYS", "60", DAYS, "whole days, 1 or more"),
    Setting("MAX_RUN_AGE_HOURS", "36", whole(1, 10**6), "whole hours, 1 or more"),
    Setting("ALERT_URLS", "", urls, "Apprise URLs with blanks between them", secret=True),
    Setting("HEARTBEAT_URL", "", web_url, "a URL (http, https)", secret=True),
    Setting("SCHEDULE", "0 3 * * *", schedule, "five crontab fields, like 0 3 * * *"),
    Setting("MONITOR_SCHEDULE", "0 9 * * *", schedule, "five crontab fields, like 0 9 * * *"),
    Setting("PUBLISH_KEEP", "7", whole(1, 10**4), "a whole number, 1 or more"),
    Setting("LOG_FORMAT", "text", one_of("text", "json"), "text or json"),
)


@dataclass(frozen=True)
class Settings:
    """The checked values, one attribute for each setting, in lower case."""

    values: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name.upper()]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def raw_dir(self) -> Path:
        return self.data_dir / "raw"

    @property
    def snapshots(self) -> Path:
        return self.raw_dir / "snapshots"

    @property
    def manifest(self) -> Path:
        return self.raw_dir / "manifest.jsonl"

    @property
    def published(self) -> Path:
        return self.data_dir / "published"

    @property
    def decisions(self) -> Path:
        return self.data_dir / "decisions.jsonl"

    @property
    def latest(self) -> Path:
        return self.raw_dir / "netflix_titles_raw.parquet"

    @property
    def default_csv(self) -> Path:
        return self.raw_dir / "netflix_titles.csv"

    @property
    def source(self) -> str:
        """Where the catalogue file comes from: a path or a URL."""
        return self.netflix_csv or str(self.default_csv)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting. Raises SettingsError naming variable, value and what fits.

    Every script begins with it, so here is where its files become private: 0640, folders 0750, or
    less where the umask takes more.
    """
    os.umask(os.umask(0o077) | 0o027)
    given = dict(os.environ if environ is None else environ)
    dotenv = PROJECT / ".env"
    if dotenv.is_file():
        from dotenv import dotenv_values  # only where there is a file to read: 15 ms

        given = {key: text for key, text in dotenv_values(dotenv).items() if text} | given
    values = {}
    for setting in SETTINGS:
        text = given.get(setting.name) or setting.default
        try:
            values[setting.name] = setting.parse(text) if text else None
        except (ValueError, AttributeError, KeyError, OverflowError, RuntimeError):
            shown = "***" if setting.secret else repr(text)
            raise SettingsError(
                f"{setting.name} is {shown}; allowed is {setting.allowed}. "
                f"Set it in the environment, in .env or as `make ... {setting.name}=...`."
            ) from None
    if sys.getfilesystemencoding() != "utf-8":  # DuckDB would take such a path for another one
        for name in ("DATA_DIR", "WAREHOUSE_PATH"):
            if not str(values[name]).isascii():
                raise SettingsError(
                    f"{name} is {str(values[name])!r}, and this locale has no UTF-8. "
                    "Set PYTHONUTF8=1, as `make` does, or LC_ALL=C.UTF-8."
                )
    return Settings(values)
