"""Read the settings: from the environment, else from .env, else the default; check each one.

Every setting is one field of Settings; .env.example lists the same names (a test compares them).
Relative paths are relative to the project folder, never to the working directory.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from errors import SettingsError

__version__ = "1.0.0"  # of the pipeline; CHANGELOG.md says what an upgrade does to a warehouse
PROJECT = Path(__file__).resolve().parent.parent
SQL = PROJECT / "sql"
UNIT_BYTES = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNIT_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
WAREHOUSES = ("duckdb", "spark", "snowflake", "bigquery")
T = TypeVar("T")
N = TypeVar("N", bound=float)


def project_path(text: str) -> Path:
    if not text or "\0" in text or "://" in text:
        raise ValueError
    return PROJECT / Path(text).expanduser()


def duckdb_path(text: str) -> Path:
    """Take a path that DuckDB can open: UTF-8, without a ?, which would begin a URL's options."""
    path = project_path(text)
    if "?" in os.fsencode(path).decode():  # bytes that are not UTF-8 are a ValueError
        raise ValueError
    return path


def source(text: str) -> str:
    """Make a path absolute; keep a URL. A mistyped URL is refused, as messages show paths."""
    if "://" not in text and re.match(r"(https?|s3|gs):|[^/].*:.*@", text):
        raise ValueError
    return text if "://" in text else str(project_path(text))


def size(text: str) -> int:
    """Count the bytes of a size like 512MB."""
    if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())):
        raise ValueError
    return int(float(match[1]) * UNIT_BYTES[match[2].upper()])


def number(kind: Callable[[str], N], low: float, high: float) -> Callable[[str], N]:
    """Make a parser of numbers from `low` to `high`; `kind` converts the text."""

    def parse(text: str) -> N:
        if not low <= kind(text) <= high:
            raise ValueError
        return kind(text)

    return parse


def instant(text: str) -> datetime:
    """Read an ISO date or time, UTC if it has no offset; return it in UTC, without tzinfo."""
    moment = datetime.fromisoformat(text.strip())
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def digest_start(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{12,64}", text):
        raise ValueError
    return text.lower()


def matching(pattern: str) -> Callable[[str], str]:
    """Make a parser of texts that match a pattern; blanks around them are dropped."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text.strip()):
            raise ValueError
        return text.strip()

    return parse


def urls(text: str) -> tuple[str, ...]:
    """Split URLs at blanks. Only Apprise knows, when it sends, whether it can use them."""
    if not all(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://.", url) for url in text.split()):
        raise ValueError
    return tuple(text.split())


def crontab(text: str) -> str:
    """Check the five fields of a crontab line: numbers, ranges, lists and steps."""
    return " ".join(matching(r"[\d*/,-]+( +[\d*/,-]+){4}")(text).split())


def one_of(*words: str) -> Callable[[str], str]:
    """Make a parser of these words only."""
    return lambda text: words[words.index(text)]  # a ValueError for any other word


def share(count: int, total: int) -> float:
    """Return `count` in per cent of `total`."""
    return 100 * count / max(total, 1)


@dataclass(frozen=True)
class Limit:
    """Two limits that stop only together, as a few rows of a small file are a large share."""

    rows: int
    pct: float

    def exceeded_by(self, count: int, total: int) -> bool:
        return count > self.rows and share(count, total) > self.pct


def env(parse: Callable[[str], T], allowed: str, default: str = "", secret: bool = False) -> T:
    """Declare a setting. Its variable is its name in upper case; without a default it may be None.

    The value of a secret is never shown.
    """
    return field(metadata=dict(parse=parse, allowed=allowed, default=default, secret=secret))


MIRROR = matching(r"(delta|iceberg):///\S.*|(s3|bigquery|snowflake)://\S+")
ROWS, PERCENT, DAYS = number(int, 0, 10**12), number(float, 0, 100), number(int, 1, 36500)


@dataclass(frozen=True, eq=False, repr=False)  # repr would show secrets; both take time to make
class Settings:
    """The checked values of all settings."""

    netflix_csv: str | None = env(source, "a path or a URL (http, https, s3, gs)", secret=True)
    data_dir: Path = env(duckdb_path, "a folder, no URL, UTF-8, no ? in its path", default="data")
    warehouse_path: Path = env(duckdb_path, "a file, no URL, UTF-8, no ?", default="netflix_dw.db")
    warehouse: str = env(one_of(*WAREHOUSES), ", ".join(WAREHOUSES), default="duckdb")
    spark_remote: str | None = env(matching(r"sc://[^\s/]+(/\S*)?"), "sc://host:15002", secret=True)
    spark_location: str | None = env(source, "a folder or URL that the Spark cluster writes to")
    spark_format: str = env(one_of("delta", "iceberg"), "delta or iceberg", default="delta")
    spark_schema: str | None = env(matching(r"\w+(\.\w+)*"), "a schema, or catalog.schema")
    snowflake_url: str | None = env(
        matching(r"snowflake://[^\s/?#]+/[^\s/?#]+/[^\s/?#]+(\?\S*)?"),
        "a URL like snowflake://user@account/database/schema?warehouse=name",
        secret=True,
    )
    bigquery_dataset: str | None = env(
        matching(r"[a-z][a-z0-9:-]*\.[A-Za-z0-9_]+"), "project.dataset"
    )
    bigquery_key_file: Path | None = env(project_path, "the file, no URL, of an account's key")
    bigquery_endpoint: str | None = env(matching(r"https?://\S+"), "a URL (http, https)")
    log_dir: Path = env(project_path, "a folder, no URL", default="logs")
    contract_path: Path = env(project_path, "a file, no URL", default="sql/contract.toml")
    snapshot_at: datetime | None = env(instant, "an ISO date or time, like 2020-01-18T03:00Z")
    accept: str | None = env(digest_start, "the first 12 or more hex digits of the file's SHA-256")
    cdc_key: str = env(one_of("show_id", "title"), "show_id or title", default="show_id")
    duckdb_memory_limit: int = env(number(size, 128 * 10**6, inf), "128MB or more", default="4GB")
    duckdb_threads: int | None = env(number(int, 1, 1024), "a whole number from 1 to 1024")
    max_file_size: int = env(number(size, 1, inf), "a size, like 500MB or 20GB", default="20GB")
    http_timeout_s: int = env(number(int, 1, 3600), "whole seconds from 1 to 3600", default="30")
    http_retries: int = env(number(int, 0, 20), "a whole number from 0 to 20", default="3")
    max_rejected_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="20")
    max_rejected_pct: float = env(PERCENT, "a number from 0 to 100", default="1")
    max_quarantined_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="20")
    max_quarantined_pct: float = env(PERCENT, "a number from 0 to 100", default="1")
    max_lost_in_cast_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="20")
    max_lost_in_cast_pct: float = env(PERCENT, "a number from 0 to 100", default="1")
    max_inserted_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="1000")
    max_inserted_pct: float = env(PERCENT, "a number from 0 to 100", default="50")
    max_updated_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="100")
    max_updated_pct: float = env(PERCENT, "a number from 0 to 100", default="50")
    max_deleted_rows: int = env(ROWS, "a whole number from 0 to 10^12", default="20")
    max_deleted_pct: float = env(PERCENT, "a number from 0 to 100", default="10")
    freshness_days: int = env(DAYS, "whole days from 1 to 36500", default="7")
    same_bytes_days: int = env(DAYS, "whole days from 1 to 36500", default="5")
    newest_title_days: int = env(DAYS, "whole days from 1 to 36500", default="60")
    max_run_age_hours: int = env(number(int, 1, 10**6), "whole hours from 1 to 10^6", default="36")
    alert_urls: tuple[str, ...] | None = env(urls, "Apprise URLs, blanks between", secret=True)
    digest_urls: tuple[str, ...] | None = env(urls, "Apprise URLs, blanks between", secret=True)
    heartbeat_url: str | None = env(matching(r"https?://\S+"), "a URL (http, https)", secret=True)
    schedule: str = env(crontab, "five crontab fields, like 0 3 * * *", default="0 3 * * *")
    monitor_schedule: str = env(crontab, "five crontab fields, like 0 9 * * *", default="0 9 * * *")
    mirror_url: str | None = env(
        MIRROR, "a URL (delta, iceberg, s3, bigquery, snowflake)", secret=True
    )
    publish_keep: int = env(number(int, 1, 10**4), "a whole number from 1 to 10^4", default="7")
    allow_sample: bool = env({"yes": True, "no": False}.__getitem__, "yes or no", default="yes")
    log_format: str = env(one_of("text", "json"), "text or json", default="text")

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
        return self.data_dir / "decisions"

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


NAMES = tuple(setting.name.upper() for setting in fields(Settings))
GIVEN_TO_MAKE = re.compile(r"(?:^|(?<!\\)\s)([A-Z][A-Z0-9_]*)=")  # a blank in a value has a \


def find_env_file() -> Path | None:
    """Return the project's .env, if any; PYTHON_DOTENV_DISABLED=1 hides it, as in python-dotenv."""
    path = PROJECT / ".env"
    return path if path.is_file() and os.environ.get("PYTHON_DOTENV_DISABLED") != "1" else None


def read_env_file(path: Path) -> dict[str, str]:
    """Read .env. Raises SettingsError with file and line, but never a value, for a wrong line."""
    from dotenv import dotenv_values  # only if there is a file to read: 15 ms
    from dotenv.parser import parse_stream

    try:
        text = path.read_bytes().decode()
    except OSError:
        raise SettingsError(f"{path} cannot be read") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path} line {line} has a byte that is not UTF-8") from None
    for name, value, (lines, line), is_wrong in parse_stream(StringIO(text)):
        line += lines[: len(lines) - len(lines.lstrip())].count("\n")
        if is_wrong or (name and (value is None or not name.isidentifier())):
            raise SettingsError(f"{path} line {line} is not NAME=value with its quotes in pairs")
        if name and name not in NAMES:
            raise SettingsError(f"{path} line {line}: {name} is no setting{suggest_name(name)}")
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value}


def suggest_name(name: str) -> str:
    from difflib import get_close_matches  # only for an unknown name

    return "".join(f"; did you mean {near}?" for near in get_close_matches(name, NAMES, 1, 0.65))


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings. Raises SettingsError with variable, value and what is allowed.

    Also sets the umask, as every script begins here: files are 0640 and folders 0750, or stricter.
    """
    os.umask(os.umask(0o077) | 0o027)
    given = dict(os.environ if environ is None else environ)
    for name in set(GIVEN_TO_MAKE.findall(given.get("MAKEFLAGS", ""))) - set(NAMES):
        if hint := suggest_name(name):
            raise SettingsError(f"{name} is no setting{hint}")
    if env_file := find_env_file():
        given = read_env_file(env_file) | given
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        name, about = setting.name.upper(), setting.metadata
        text = given.get(name) or about["default"]
        try:
            values[setting.name] = about["parse"](text) if text else None
        except (ValueError, AttributeError, KeyError, OverflowError, RuntimeError):
            shown = "***" if about["secret"] else repr(text)
            raise SettingsError(
                f"{name} is {shown}; allowed is {about['allowed']}. "
                f"Set it in the environment, in .env or as `make ... {name}=...`."
            ) from None
    if sys.getfilesystemencoding() != "utf-8":  # DuckDB would take such a path for another one
        for name in ("DATA_DIR", "WAREHOUSE_PATH"):
            path = str(values[name.lower()])
            if not path.isascii():
                raise SettingsError(
                    f"{name} is {path!r}, and this locale has no UTF-8. "
                    "Set PYTHONUTF8=1, as `make` does, or LC_ALL=C.UTF-8."
                )
    return Settings(**values)
