"""Snowflake and BigQuery: what is sent to them, where no emulator can show what they make of it."""

import json
import shutil
import subprocess
from importlib import import_module
from types import SimpleNamespace
from unittest import mock

import duckdb
import pytest

pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
dialects = import_module("engines.translator")
errors = import_module("errors")
snowflake = import_module("engines.snowflake")
bigquery = import_module("engines.bigquery")

pytestmark = pytest.mark.engines


def translated(adapter, sql: str) -> str:
    session = dialects.Translator(adapter.DIALECT, adapter.rewrite)
    (tree,) = session.statements(sql)
    return session.text(tree)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # names as Snowflake keeps those that nobody quotes
        ('SELECT "cast", new.x FROM t AS new', 'SELECT "CAST", "NEW"."X" FROM "T" AS "NEW"'),
        # Snowflake's own REGEXP_LIKE must match the whole text; \s is not all blanks
        ("SELECT regexp_matches(x, 'a|b') AS y", 'SELECT REGEXP_INSTR("X", \'a|b\') > 0 AS "Y"'),
        (
            r"SELECT regexp_replace(x, '\x20\t', '', 'g') AS y",
            "SELECT REGEXP_REPLACE(\"X\", ' \\t', '') AS \"Y\"",
        ),
        # Snowflake's own CONCAT_WS is NULL where one part is
        (
            "SELECT concat_ws('|', a, b) AS y",
            "SELECT SUBSTRING(COALESCE('|' || (\"A\"), '') || COALESCE('|' || (\"B\"), ''), 2) "
            'AS "Y"',
        ),
        ("SELECT try_cast(x AS DATE) AS y", 'SELECT TRY_CAST("X" AS DATE) AS "Y"'),
        ("SELECT a / b AS y", 'SELECT CAST("A" AS DOUBLE) / "B" AS "Y"'),
        (
            "SELECT sum(CAST(hash(x) AS HUGEINT)) FILTER (WHERE y) AS z",
            'SELECT SUM(CAST(CASE WHEN "Y" THEN HASH("X") END AS DECIMAL(38, 1))) AS "Z"',
        ),
        # lists
        (
            "SELECT unnest(string_split(x, ' ')) AS y FROM t",
            'SELECT CAST("EXPLODED"."VALUE" AS VARCHAR) AS "Y" FROM "T" CROSS JOIN LATERAL '
            "FLATTEN(INPUT => SPLIT(\"X\", ' ')) AS "
            '"EXPLODED"("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")',
        ),
        (
            "SELECT unnest(string_split('a', ' ')) AS y",
            'SELECT CAST("EXPLODED"."VALUE" AS VARCHAR) AS "Y" FROM '
            "TABLE(FLATTEN(INPUT => SPLIT('a', ' '))) AS "
            '"EXPLODED"("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")',
        ),
        (
            "SELECT unnest(['a', 'b']) AS y, unnest([1, x]) AS z FROM t",
            'SELECT CASE "EXPLODED"."INDEX" WHEN 0 THEN \'a\' WHEN 1 THEN \'b\' END AS "Y", '
            'CASE "EXPLODED"."INDEX" WHEN 0 THEN 1 WHEN 1 THEN "X" END AS "Z" FROM "T" '
            'CROSS JOIN (VALUES (0), (1)) AS "EXPLODED"("INDEX")',
        ),
    ],
)
def test_what_is_sent_to_snowflake(sql, expected):
    assert translated(snowflake, sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # NEW is a reserved word
        ("SELECT new.x FROM t AS new", "SELECT `new`.`x` FROM `t` AS `new`"),
        # REGEXP_EXTRACT takes one group only
        (
            r"SELECT regexp_extract(x, '^(a)[(](b|(?:c))\($', 2) AS y",
            r"SELECT REGEXP_EXTRACT(`x`, '^(?:a)[(](b|(?:c))\\($') AS `y`",
        ),
        ("SELECT concat_ws('|', a, b) AS y", "SELECT ARRAY_TO_STRING([`a`, `b`], '|') AS `y`"),
        # only texts are joined
        ("SELECT 'a' || length(x) AS y", "SELECT 'a' || CAST(LENGTH(`x`) AS STRING) AS `y`"),
        # CONTAINS_SUBSTR would not tell case
        ("SELECT contains(a, b) AS y", "SELECT STRPOS(`a`, `b`) > 0 AS `y`"),
        # DATE_DIFF takes no times
        (
            "SELECT date_diff('hour', a, b) AS y",
            "SELECT DATETIME_DIFF(CAST(`b` AS DATETIME), CAST(`a` AS DATETIME), HOUR) AS `y`",
        ),
        ("DELETE FROM t", "DELETE FROM `t` WHERE TRUE"),
        ("CREATE TEMP TABLE t AS SELECT 1 AS x", "CREATE TABLE `t` AS SELECT 1 AS `x`"),
        # median is a window there
        (
            "SELECT g, median(x) AS y FROM t GROUP BY g",
            "SELECT `g`, ANY_VALUE(`median_0`) AS `y` FROM (SELECT *, PERCENTILE_CONT(`x`, 0.5) "
            "OVER (PARTITION BY `g`) AS `median_0` FROM `t`) AS `measured` GROUP BY `g`",
        ),
        # lists
        (
            "SELECT unnest(string_split(x, ' ')) AS y FROM t",
            "SELECT `entry` AS `y` FROM `t` CROSS JOIN UNNEST(SPLIT(`x`, ' ')) AS `entry` "
            "WITH OFFSET AS `entry_offset`",
        ),
        (
            "WITH l (a, b) AS (VALUES (1, 'x')) SELECT a, b FROM l",
            "WITH `l` AS (SELECT `_values`.`a`, `_values`.`b` FROM "
            "UNNEST([STRUCT(1 AS `a`, 'x' AS `b`)]) AS `_values`) SELECT `a`, `b` FROM `l`",
        ),
    ],
)
def test_what_is_sent_to_bigquery(sql, expected):
    assert translated(bigquery, sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "CREATE VIEW v AS WITH c AS (SELECT t.x FROM t) SELECT c.x FROM c, u AS w",
            "CREATE VIEW `p`.`d`.`v` AS WITH `c` AS (SELECT `t`.`x` FROM `p`.`d`.`t` AS `t`) "
            "SELECT `c`.`x` FROM `c`, `p`.`d`.`u` AS `w`",
        ),
        ("INSERT INTO t (x) VALUES (1)", "INSERT INTO `p`.`d`.`t` (`x`) VALUES (1)"),
        (
            "UPDATE t SET x = s.y FROM s WHERE t.z = s.z",
            "UPDATE `p`.`d`.`t` AS `t` SET `x` = `s`.`y` FROM `p`.`d`.`s` AS `s` "
            "WHERE `t`.`z` = `s`.`z`",
        ),
        ("DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS `p`.`d`.`t`"),
    ],
)
def test_bigquery_tables_are_qualified_by_their_dataset(sql, expected):
    """In a view they must; a common table expression is no table."""
    session = dialects.Translator(
        "bigquery", lambda tree: bigquery.qualified(bigquery.rewrite(tree), "p", "d")
    )
    (tree,) = session.statements(sql)
    assert session.text(tree) == expected


def test_the_characters_of_a_class_are_those_of_duckdb():
    """Snowflake gets them one by one."""
    everything = "".join(chr(point) for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000)
    classes = [r"[\s\p{Z}\p{Cc}]", r"[^\s\p{Z}\p{Cc}]"]
    with duckdb.connect() as con:
        for wanted in classes:
            given = snowflake.pattern(snowflake.exp.Literal.string(wanted)).name
            assert given != wanted
            row = con.execute(
                "SELECT regexp_replace(text, ?, '', 'g') = regexp_replace(text, ?, '', 'g') "
                "FROM (SELECT ? AS text)",
                [wanted, given, everything],
            ).fetchone()
            assert row == (True,)


JAVASCRIPT = {
    "NFC_NORMALIZE": [(["Cafe\u0301"], "Caf\u00e9")],
    "STRIP_ACCENTS": [(["\u00c5ngstr\u00f6m \u0130"], "Angstrom I")],
    "LIST_DISTINCT": [([["b", "a", "b", "c", "a"]], ["b", "a", "c"])],
    "LIST_HAS_ALL": [([["a", "b"], ["b"]], True), ([["a"], ["a", "c"]], False)],
}


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_functions_that_snowflake_runs_in_javascript():
    assert {signature.split()[0] for signature in snowflake.FUNCTIONS} == set(JAVASCRIPT)
    for signature, code in snowflake.FUNCTIONS.items():
        name, parameters = signature.split(" (")
        names = [entry.split()[0] for entry in parameters.split(")")[0].split(", ")]
        for arguments, expected in JAVASCRIPT[name]:
            call = f"(({', '.join(names)}) => {{{code}}})(...{json.dumps(arguments)})"
            done = subprocess.run(
                ["node", "-p", f"JSON.stringify({call})"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert json.loads(done.stdout) == expected, name


def test_the_options_of_a_snowflake_url():
    url = "snowflake://me:p%40ss@acc-x.eu/dw/net?warehouse=w&private_key_file=/k%20e/y.p8"
    assert snowflake.options(url) == {
        "account": "acc-x.eu",
        "user": "me",
        "password": "p@ss",
        "database": "dw",
        "schema": "net",
        "warehouse": "w",
        "private_key_file": "/k e/y.p8",
        "autocommit": True,
        "session_parameters": snowflake.FORMATS,
    }


def test_a_snapshot_goes_to_snowflake_by_put_and_copy(tmp_path):
    pytest.importorskip("snowflake.connector")
    path = tmp_path / "it's.parquet"
    duckdb.sql("SELECT 'a' AS \"Show Id\", CAST(1 AS BIGINT) AS source_line").write_parquet(
        str(path)
    )
    session = mock.MagicMock()
    snowflake.Snowflake(session).show_parquet("raw_netflix_titles", path)
    sent = [call.args[0] for call in session.cursor().execute.call_args_list]
    assert sent[len(snowflake.FUNCTIONS) :] == [
        'CREATE OR REPLACE TABLE raw_netflix_titles ("SHOW ID" VARCHAR, "SOURCE_LINE" BIGINT)',
        f"PUT 'file://{tmp_path}/it\\'s.parquet' @%raw_netflix_titles "
        "AUTO_COMPRESS = FALSE OVERWRITE = TRUE",
        "COPY INTO raw_netflix_titles FROM @%raw_netflix_titles FILE_FORMAT = (TYPE = PARQUET) "
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE",
    ]


def settings(**values) -> SimpleNamespace:
    names = ("snowflake_url", "bigquery_dataset", "bigquery_key_file", "bigquery_endpoint")
    return SimpleNamespace(**{**dict.fromkeys(names), **values})


@pytest.mark.parametrize(
    ("adapter", "name"), [(snowflake, "SNOWFLAKE_URL"), (bigquery, "BIGQUERY_DATASET")]
)
def test_a_missing_setting_is_named(adapter, name):
    with pytest.raises(errors.SettingsError, match=f"^{name} is not set"):
        adapter.connect(settings())


def test_missing_credentials_of_bigquery_are_reported():
    client = pytest.importorskip("google.cloud.bigquery")
    from google.auth.exceptions import DefaultCredentialsError

    with (
        mock.patch.object(client, "Client", side_effect=DefaultCredentialsError("none found")),
        pytest.raises(errors.SettingsError, match=r"none found\); set BIGQUERY_KEY_FILE$"),
    ):
        bigquery.connect(settings(bigquery_dataset="my-project.netflix"))


def test_no_snowflake_message_has_a_password():
    client = pytest.importorskip("snowflake.connector")
    refused = client.DatabaseError("250001: Incorrect username or password was specified.")
    with (
        mock.patch.object(client, "connect", side_effect=refused) as connect,
        pytest.raises(errors.StepError) as raised,
    ):
        snowflake.connect(settings(snowflake_url="snowflake://me:secret@acc/dw/net"))
    assert connect.call_args.kwargs["password"] == "secret"
    assert str(raised.value).startswith("Snowflake cannot be reached: 250001")
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("given", "credentials", "endpoint"),
    [
        ({}, None, None),
        ({"bigquery_key_file": "key.json"}, "of key.json", None),
        ({"bigquery_endpoint": "http://127.0.0.1:9050"}, "nobody", "http://127.0.0.1:9050"),
        ({"bigquery_endpoint": "https://private.example"}, None, "https://private.example"),
    ],
)
def test_the_credentials_of_bigquery(given, credentials, endpoint):
    client = pytest.importorskip("google.cloud.bigquery")
    import google.auth.credentials
    import google.oauth2.service_account

    with (
        mock.patch.object(client, "Client") as made,
        mock.patch.object(google.auth.credentials, "AnonymousCredentials", lambda: "nobody"),
        mock.patch.object(
            google.oauth2.service_account.Credentials,
            "from_service_account_file",
            "of {}".format,
        ),
    ):
        bigquery.connect(settings(bigquery_dataset="my-project.netflix", **given))
    assert made.call_args.args == ("my-project", credentials)
    options = made.call_args.kwargs["client_options"]
    assert options == ({"api_endpoint": endpoint} if endpoint else None)
