"""What a night sends to BigQuery and Snowflake: never run on the services, so it is all in a file.

tests/mirror/<service>.sql is that file: `WRITE_GOLDEN=1` writes it again, for a person to read. It
is parsed in the service's dialect by tests/engines/test_mirror_statements.py.
"""

import hashlib
import os
import sys
from pathlib import Path

import duckdb
import pytest

from mirror import cloud
from mirror.difference import Change, State, Table, fast_hash, portable_hash
from mirror.services import BigQuery, Load, Proof, Snowflake, night

HERE = Path(__file__).parent
SERVICES = {"bigquery": BigQuery("my-project.titles"), "snowflake": Snowflake("LAKE.TITLES")}
HISTORY = Table(
    "analytics_netflix_history",
    (
        ("version_id", "VARCHAR", ""),
        ("title", "VARCHAR", ""),
        ("release_year", "SMALLINT", ""),
        ("score", "DOUBLE", ""),
        ("date_added", "DATE", ""),
        ("valid_from", "TIMESTAMP", ""),
        ("valid_to", "TIMESTAMP", ""),
        ("is_current", "BOOLEAN", ""),
    ),
    portable_hash,
)
BRIDGE = Table(
    "bridge_title_genre", (("title_key", "VARCHAR", ""), ("weight", "DOUBLE", "")), portable_hash
)
GENRE = Table("dim_genre", (("genre_key", "INTEGER", ""), ("genre", "VARCHAR", "")), portable_hash)
KEPT = Table("dim_rating", (("rating", "VARCHAR", ""),), portable_hash)
TABLES = [HISTORY, BRIDGE, GENRE, KEPT]


def state(
    table: Table | None, rows: int, version: str = "20200118T000000Z-7df8166ec178-1"
) -> State:
    columns = table.fingerprint if table else ""
    return State(version, "2020-01-18 00:00:00", rows, str(rows * 7), columns)


def statements(name: str) -> list[str]:
    """A night: the contract has a new column, a table is new, one grew and one is as before."""
    after = {table.name: state(table, 10) for table in TABLES} | {"*": state(None, 0)}
    before = {
        HISTORY.name: State("before", "2019-11-30 00:00:00", 5, "35", "other columns"),
        BRIDGE.name: state(BRIDGE, 8, "before"),
        KEPT.name: state(KEPT, 10, "before"),
    }
    changes = [
        Change(HISTORY, after[HISTORY.name], "added", 4, 28, False, "version_id", "ended", 1),
        Change(BRIDGE, after[BRIDGE.name], "added", 2, 14, False),
        Change(GENRE, after[GENRE.name], "dim_genre", 10, 70, True),
    ]
    sent = []
    for part in night(SERVICES[name], changes, before, after, TABLES, Path("/tmp/mirror")):
        sent += part.statements if isinstance(part, Load) else [str(part)]
        if isinstance(part, Load) and part.is_job:
            sent.append(f"-- load job: PARQUET, {part.path} -> {part.table}")
    return sent


def without_fingerprints(text: str) -> str:
    for table in TABLES:
        text = text.replace(table.fingerprint, f"columns of {table.name}")
    return text


@pytest.mark.parametrize("name", SERVICES)
def test_the_statements_of_a_night_are_those_of_the_file(name):
    path = HERE / f"{name}.sql"
    text = without_fingerprints(";\n\n".join(statements(name)) + ";\n")
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_a_name_or_a_text_cannot_leave_its_quotes():
    big, snow = SERVICES.values()
    assert big.name("a`; DROP TABLE x; --") == "`a\\`; DROP TABLE x; --`"
    assert big.text("it's \\") == "'it\\'s \\\\'"
    assert snow.name('a"b') == '"A""B"'
    assert snow.text("it's \\") == "'it''s \\\\'"


def test_the_portable_hash_is_sixty_bits_of_the_md5_of_a_row():
    """The text of a row as the services write it, NULL and decimals included."""
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT 'v' AS version_id, NULL::VARCHAR AS title, "
            "2020::SMALLINT AS release_year, 0.3333333 AS score, DATE '2020-01-02' AS date_added, "
            "TIMESTAMP '1970-01-01 00:00:01.5' AS valid_from, NULL::TIMESTAMP AS valid_to, "
            "true AS is_current"
        )
        row = "v␟␀␟2020␟333333␟2020-01-02␟1500000␟␀␟true"
        expected = int(hashlib.md5(row.encode()).hexdigest()[:15], 16)
        assert con.execute(HISTORY.digest("t")).fetchone() == (1, expected)
        assert con.execute(Table("t", HISTORY.columns, fast_hash).digest("t")).fetchone() != (
            1,
            expected,
        )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bigquery://project/titles", "python/engines/requirements/bigquery.txt lists"),
        ("snowflake://u:s3cr3t@account/lake/titles", "requirements/snowflake.txt lists"),
    ],
)
def test_without_its_client_the_message_names_the_list(pipeline, tmp_path, url, said, monkeypatch):
    for module in ("google.cloud", "snowflake.connector"):
        monkeypatch.setitem(sys.modules, module, None)
    version = tmp_path / "data/published/versions/one"
    version.mkdir(parents=True)
    (tmp_path / "data/published/current").symlink_to("versions/one")
    done = pipeline.step("12_mirror", MIRROR_URL=url)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "s3cr3t" not in done.stderr


class Recorder:
    """A session that answers with these rows to a proof, and keeps what it is told."""

    def __init__(self, rows: list[tuple]) -> None:
        self.answer, self.told = rows, []

    def rows(self, sql: str) -> list[tuple]:
        self.told.append(str(sql).split("\n")[0][:20])
        return self.answer if isinstance(sql, Proof) else []

    def load(self, table: str, path: Path) -> None:
        self.told.append(f"load {table}")

    def close(self) -> None: ...


def test_a_table_that_is_not_as_published_takes_the_whole_night_back():
    service = SERVICES["bigquery"]
    change = Change(GENRE, state(GENRE, 10), "dim_genre", 10, 70, True)
    states = {GENRE.name: state(GENRE, 10)}
    wanted = {GENRE.name: (10, 70)}
    parts = list(night(service, [change], states, states, [GENRE], Path("/tmp")))
    good, bad = Recorder([(GENRE.name, 10, 70)]), Recorder([(GENRE.name, 11, 77)])
    cloud.run(good, service, parts, wanted)
    assert good.told[:2] == ["CREATE OR REPLACE TA", "load mirror_in_dim_genre"]
    assert good.told[-1] == "COMMIT TRANSACTION"
    with pytest.raises(OSError, match="dim_genre: not as published"):
        cloud.run(bad, service, parts, wanted)
    assert bad.told[-1] == "ROLLBACK TRANSACTION"
    assert "COMMIT TRANSACTION" not in bad.told
