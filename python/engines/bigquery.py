"""Connect to BigQuery through its own client: experimental, never run against the service.

All names are quoted, as BigQuery reserves words like `new`. Tables have their dataset: in a view
they must.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from config import Settings
from engines.base import Adapter, Rows, parquet_columns
from engines.translator import Translator, call_function, find_unnests, transform
from errors import SettingsError

if TYPE_CHECKING:
    import pyarrow

DIALECT = "bigquery"
AGGREGATES = (exp.GroupConcat, exp.Sum)


def connect(settings: Settings) -> "BigQuery":
    """Make a client for BIGQUERY_DATASET. Raises SettingsError if that is not set.

    A BIGQUERY_ENDPOINT with plain http is an emulator, which needs no credentials.
    """
    if not settings.bigquery_dataset:
        raise SettingsError(
            "BIGQUERY_DATASET is not set: WAREHOUSE=bigquery needs it, like my-project.netflix"
        )
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery
    from google.oauth2.service_account import Credentials

    endpoint = settings.bigquery_endpoint
    credentials = None  # the machine's own
    if endpoint and endpoint.startswith("http://"):
        credentials = AnonymousCredentials()
    elif settings.bigquery_key_file:
        credentials = Credentials.from_service_account_file(settings.bigquery_key_file)
    project, dataset = settings.bigquery_dataset.split(".")
    config = bigquery.QueryJobConfig(default_dataset=f"{project}.{dataset}")
    options = {"api_endpoint": endpoint} if endpoint else None
    try:
        client = bigquery.Client(
            project, credentials, default_query_job_config=config, client_options=options
        )
    except GoogleAuthError as error:
        raise SettingsError(
            f"this machine has no credentials for BigQuery ({error}); set BIGQUERY_KEY_FILE"
        ) from None
    return BigQuery(client, project, dataset)


class BigQuery(Adapter):
    """A client of one dataset. There are no sessions, so temporary tables are real ones."""

    def __init__(self, client: Any, project: str, dataset: str):
        from google.api_core.exceptions import GoogleAPIError

        super().__init__(
            Translator(DIALECT, lambda tree: qualified(rewrite(tree), project, dataset))
        )
        self.client, self.dataset, self.errors = client, f"{project}.{dataset}", (GoogleAPIError,)

    def result(self, sql: str) -> tuple[list[str], Rows]:
        rows = self.client.query(sql).result()
        return [field.name for field in rows.schema], (row.values() for row in rows)

    def arrow(self, sql: str) -> "pyarrow.Table":
        return self.client.query(sql).to_arrow(create_bqstorage_client=False)

    def objects(self) -> Iterator[tuple[str, bool]]:
        for table in self.client.list_tables(self.dataset):
            yield table.table_id, table.table_type == "VIEW"

    def load_parquet(self, view: str, path: Path) -> None:
        """Load the file into a table, by a job of its own: there is no view of a file."""
        from google.cloud.bigquery import LoadJobConfig, SourceFormat

        table = f"{self.dataset}.{view}"
        columns = ", ".join(
            f"{exp.to_identifier(name, quoted=True).sql(dialect=DIALECT)} {kind}"
            for name, kind in parquet_columns(path, DIALECT)
        )
        self.result(f"CREATE OR REPLACE TABLE `{table}` ({columns})")
        config = LoadJobConfig(source_format=SourceFormat.PARQUET)
        with open(path, "rb") as file:
            self.client.load_table_from_file(file, table, job_config=config).result()

    def close(self) -> None:
        self.client.close()


def qualified(tree: exp.Expression, project: str, dataset: str) -> exp.Expression:
    """Give each table its full name, with the old one as its alias."""
    queries = {query.alias for query in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.name in queries:
            continue
        name = exp.table_(table.name, dataset, project, quoted=True)
        is_made = isinstance(table.parent, (exp.Create, exp.Drop, exp.Insert, exp.Schema))
        if not is_made:
            name.set(
                "alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
            )
        table.replace(name)
    return tree


def rewrite(tree: exp.Expression) -> exp.Expression:
    """Rewrite a statement's tree for what BigQuery has under another name, or in another form."""
    for select in list(tree.find_all(exp.Select)):
        with_medians(select)
        exploded(select)
    for values in list(tree.find_all(exp.Values)):  # those of an INSERT are not a table
        if not isinstance(values.parent, exp.Insert):
            as_structs(values)
    tree = transform(tree, rewritten)
    if isinstance(tree, exp.Create):  # a temporary table is real, and replaced by the next run
        tree.set("properties", None)
    if isinstance(tree, exp.Delete) and not tree.args.get("where"):
        tree.set("where", exp.Where(this=exp.true()))
    for name in tree.find_all(exp.Identifier):
        name.set("quoted", True)
    return tree


def rewritten(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous):
        return function(node)
    if isinstance(node, exp.RegexpReplace):  # all matches are replaced; there is no flag for it
        return call_function("REGEXP_REPLACE", node.this, node.expression, node.args["replacement"])
    if isinstance(node, exp.RegexpExtract):
        return call_function(
            "REGEXP_EXTRACT", node.this, one_group(node.expression, node.args["group"])
        )
    if isinstance(node, exp.ConcatWs):  # it has no NULL
        parts = exp.Array(expressions=node.expressions[1:])
        return call_function("ARRAY_TO_STRING", parts, node.expressions[0])
    if isinstance(node, exp.DPipe):  # of texts only
        for side in ("this", "expression"):
            if isinstance(node.args[side], exp.Length):
                node.set(side, exp.cast(node.args[side], "TEXT"))
    elif isinstance(node, exp.Contains):
        position = call_function("STRPOS", node.this, node.expression)
        return exp.GT(this=position, expression=exp.Literal.number(0))
    elif isinstance(node, exp.SplitPart):
        parts = exp.func("SPLIT", node.this, node.args["delimiter"])
        return parsed("x[SAFE_ORDINAL(y)]", x=parts, y=node.args["part_index"])
    elif isinstance(node, exp.ArrayDistinct):
        return parsed(
            "ARRAY(SELECT e FROM UNNEST(x) AS e WITH OFFSET AS o GROUP BY e ORDER BY MIN(o))",
            x=node.this,
        )
    elif isinstance(node, exp.DateDiff):  # DATE_DIFF takes no times
        ends = [exp.cast(end, "DATETIME", dialect=DIALECT) for end in (node.this, node.expression)]
        return call_function("DATETIME_DIFF", *ends, exp.var(node.unit.name.upper()))
    elif isinstance(node, exp.TimestampTrunc):  # of days only
        return call_function("DATE_TRUNC", node.this, exp.var(node.unit.name.upper()))
    elif isinstance(node, exp.Median):  # as a window; with_medians made the others windows
        half = exp.Literal.number("0.5")
        return call_function("PERCENTILE_CONT", node.this, half)
    elif isinstance(node, exp.Ordered):  # in an aggregate NULLs stand first, or there are none
        owner = node.parent.parent
        if isinstance(owner.this if isinstance(owner, exp.Window) else owner, AGGREGATES):
            node.set("nulls_first", not node.args.get("desc"))
    elif isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return exp.DataType.build("BIGNUMERIC", dialect=DIALECT)
    return node


def function(call: exp.Anonymous) -> exp.Expression:
    name, arguments = call.name.lower(), call.expressions
    if name == "hash":
        record = call_function("TO_JSON_STRING", call_function("STRUCT", *arguments))
        return call_function("FARM_FINGERPRINT", record)
    if name == "nfc_normalize":
        return call_function("NORMALIZE", arguments[0], exp.var("NFC"))
    if name == "strip_accents":
        return parsed(r"REGEXP_REPLACE(NORMALIZE(x, NFD), '\\p{M}', '')", x=arguments[0])
    if name == "list_has_all":
        words, wanted = arguments
        return parsed(
            "NOT EXISTS (SELECT 1 FROM UNNEST(x) AS w WHERE w NOT IN UNNEST(y))", x=wanted, y=words
        )
    return call


def parsed(sql: str, **parts: exp.Expression) -> exp.Expression:
    """Parse an expression in BigQuery's dialect, and fill in its placeholders."""
    root = exp.Paren(this=sqlglot.parse_one(sql, read=DIALECT))
    for column in list(root.find_all(exp.Column)):
        if column.name in parts:
            column.replace(parts[column.name].copy())
    return root.this


def one_group(pattern: exp.Expression, group: exp.Expression) -> exp.Expression:
    """Return a regular expression with only that group: REGEXP_EXTRACT takes no more."""
    count = 0

    def numbered(match: re.Match) -> str:
        nonlocal count
        count += match[0] == "("
        return match[0] if match[0] != "(" or count == int(group.name) else "(?:"

    return exp.Literal.string(re.sub(r"\\.|\[[^]]*\]|\(\?|\(", numbered, pattern.name))


def as_structs(values: exp.Values) -> None:
    """Rewrite VALUES with column names as an array of structs."""
    owner = values if values.alias_column_names else values.find_ancestor(exp.CTE)
    names = owner.alias_column_names
    rows = [
        call_function(
            "STRUCT", *(exp.alias_(value, name) for value, name in zip(row, names, strict=True))
        )
        for row in (entry.expressions for entry in values.expressions)
    ]
    alias = values.alias or "listed"
    source = exp.Unnest(
        expressions=[exp.Array(expressions=rows)],
        alias=exp.TableAlias(columns=[exp.to_identifier(alias)]),
    )
    if owner is values:
        values.replace(source)
        return
    columns = [exp.column(name, alias) for name in names]
    owner.set("alias", exp.TableAlias(this=owner.args["alias"].this))
    owner.set("this", exp.select(*columns).from_(source))


def with_medians(select: exp.Select) -> None:
    """Rewrite median() over groups as any_value() of a window over each group's rows.

    The select must be over one table.
    """
    medians = [
        node
        for column in select.expressions
        for node in column.find_all(exp.Median)
        if not isinstance(node.parent, exp.Window)
    ]
    for number, node in enumerate(medians):
        over = exp.Window(this=node.copy(), partition_by=[*select.args["group"].expressions])
        inner = exp.select("*", exp.alias_(over, f"median_{number}")).from_(
            select.args["from_"].this
        )
        select.set("from_", exp.From(this=inner.subquery("measured")))
        node.replace(exp.func("ANY_VALUE", exp.column(f"median_{number}")))


def exploded(select: exp.Select) -> None:
    """Rewrite unnest() among the columns: the first as an UNNEST join, others by position."""
    number = exp.Add(this=exp.column("entry_offset"), expression=exp.Literal.number(1))
    unnests = find_unnests(select, number)
    if not unnests:
        return
    first, *others = unnests
    entries = first.this
    for node in list(select.find_all(exp.Length)):
        if node.this == entries:
            node.replace(call_function("ARRAY_LENGTH", node.this))
    if isinstance(entries, exp.GenerateSeries):
        entries = call_function("GENERATE_DATE_ARRAY", entries.args["start"], entries.args["end"])
    rows = exp.Unnest(
        expressions=[entries.copy()],
        alias=exp.TableAlias(columns=[exp.to_identifier("entry")]),
        offset=exp.to_identifier("entry_offset"),
    )
    first.replace(exp.column("entry"))
    for other in others:
        other.replace(parsed("x[OFFSET(entry_offset)]", x=other.this))
    if select.args.get("from_"):
        select.append("joins", exp.Join(this=rows, kind="CROSS"))
    else:
        select.set("from_", exp.From(this=rows))
