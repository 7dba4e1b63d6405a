"""Connect to Snowflake through its own client: experimental, never run against the service.

All names are in capitals and quoted, as Snowflake stores names without quotes. So "cast" is not
taken for a keyword, and a query by hand needs no quotes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import sqlglot
from sqlglot import exp

from config import Settings
from engines.base import Adapter, Rows, parquet_columns
from engines.translator import Translator, call_function, find_unnests, transform
from errors import SettingsError, StepError
from warehouse.database import identifier

if TYPE_CHECKING:
    import pyarrow

DIALECT = "snowflake"
HASH_TYPE = "NUMBER(38, 1)"  # a sum of 64-bit hashes fits; for fakesnow, (38, 0) is 64 bits wide
# An account may have other formats as its default, and casts between texts and dates use them.
FORMATS = {
    "DATE_INPUT_FORMAT": "YYYY-MM-DD",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF6",
}
# JavaScript functions of the session, for what Snowflake lacks or does not do in order.
FUNCTIONS = {
    "NFC_NORMALIZE (VALUE VARCHAR) RETURNS VARCHAR": 'return VALUE.normalize("NFC");',
    "STRIP_ACCENTS (VALUE VARCHAR) RETURNS VARCHAR": (
        'return VALUE.normalize("NFD").replace(/\\p{M}/gu, "").normalize("NFC");'
    ),
    "LIST_DISTINCT (ENTRIES ARRAY) RETURNS ARRAY": "return [...new Set(ENTRIES)];",
    "LIST_HAS_ALL (WORDS ARRAY, WANTED ARRAY) RETURNS BOOLEAN": (
        "return WANTED.every(word => WORDS.includes(word));"
    ),
}
# Classes in the patterns of sql/ that Snowflake does not document -> their characters.
CLASSES = {
    r"\t": "\t",
    r"\r": "\r",
    r"\n": "\n",
    r"\s": " \t\n\r\f\v",
    r"\p{Z}": " \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{Cc}": "\x01-\x1f\x7f-\x9f",
}


def connect(settings: Settings) -> "Snowflake":
    """Open a session on SNOWFLAKE_URL. Raises SettingsError if that is not set."""
    if not settings.snowflake_url:
        raise SettingsError(
            "SNOWFLAKE_URL is not set: WAREHOUSE=snowflake needs it, like "
            "snowflake://user@account/database/schema?warehouse=name&private_key_file=key.p8"
        )
    import snowflake.connector

    try:
        session = snowflake.connector.connect(**options(settings.snowflake_url))
    except snowflake.connector.Error as error:
        raise StepError(f"Snowflake cannot be reached: {error}") from None
    return Snowflake(session)


def options(url: str) -> dict[str, Any]:
    """Return the client's options from a URL; those after the ? are passed on as they are."""
    parts = urlsplit(url)
    database, schema = (unquote(name) for name in parts.path.strip("/").split("/"))
    given = {"database": database, "schema": schema, **dict(parse_qsl(parts.query))}
    account = parts.netloc.rpartition("@")[2]
    named = {"user": parts.username, "password": parts.password, "account": account}
    given |= {name: unquote(value) for name, value in named.items() if value}
    return {"autocommit": True, "session_parameters": FORMATS, **given}


class Snowflake(Adapter):
    """A Snowflake session; it also holds the temporary tables and views."""

    def __init__(self, session: Any):
        from snowflake.connector import Error

        super().__init__(Translator(DIALECT, rewrite))
        self.session, self.errors = session, (Error,)
        for signature, code in FUNCTIONS.items():
            self.result(
                f"CREATE OR REPLACE TEMPORARY FUNCTION {signature} "
                f"LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $${code}$$"
            )

    def result(self, sql: str) -> tuple[list[str], Rows]:
        cursor = self.session.cursor().execute(sql)
        return [column.name.lower() for column in cursor.description], cursor

    def arrow(self, sql: str) -> "pyarrow.Table":
        table = self.session.cursor().execute(sql).fetch_arrow_all(force_return_table=True)
        return table.rename_columns([name.lower() for name in table.column_names])

    def objects(self) -> Iterator[tuple[str, bool]]:
        for kind in ("TABLES", "VIEWS"):
            names, rows = self.result(f"SHOW {kind}")
            for row in rows:
                yield row[names.index("name")].lower(), kind == "VIEWS"

    def load_parquet(self, view: str, path: Path) -> None:
        """Copy the file into a table, through the table's stage: there is no view of a file."""
        columns = ", ".join(
            f"{identifier(name.upper())} {kind}" for name, kind in parquet_columns(path, DIALECT)
        )
        place = exp.Literal.string(f"file://{path}").sql(dialect=DIALECT)
        self.result(f"CREATE OR REPLACE TABLE {view} ({columns})")
        self.result(f"PUT {place} @%{view} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
        self.result(
            f"COPY INTO {view} FROM @%{view} FILE_FORMAT = (TYPE = PARQUET) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE"
        )

    def close(self) -> None:
        self.session.close()


def rewrite(tree: exp.Expression) -> exp.Expression:
    """Rewrite a statement's tree for what Snowflake has under another name, or in another form."""
    for select in list(tree.find_all(exp.Select)):
        exploded(select)
    tree = transform(tree, rewritten)
    for name in tree.find_all(exp.Identifier):
        name.set("this", name.this.upper())
        name.set("quoted", True)
    return tree


def rewritten(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.RegexpLike):  # Snowflake's own must match the whole text
        return exp.GT(
            this=call_function("REGEXP_INSTR", node.this, pattern(node.expression)),
            expression=exp.Literal.number(0),
        )
    if isinstance(node, exp.RegexpReplace):  # all matches are replaced; there is no flag for it
        return call_function(
            "REGEXP_REPLACE", node.this, pattern(node.expression), node.args["replacement"]
        )
    if isinstance(node, exp.TryCast):
        node.set("requires_string", True)
    elif isinstance(node, exp.Trim):  # fakesnow forgets the characters if nothing is cast
        node.set("this", exp.cast(node.this, "VARCHAR"))
    elif isinstance(node, exp.ConcatWs):
        return joined(node.expressions[0], node.expressions[1:])
    elif isinstance(node, exp.ArrayDistinct):  # Snowflake's own does not keep the order
        return call_function("LIST_DISTINCT", node.this)
    elif isinstance(node, exp.Div):  # of whole numbers it rounds to six digits
        node.set("this", exp.cast(node.this, "DOUBLE"))
    elif isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return exp.DataType.build(HASH_TYPE, dialect=DIALECT)
    elif isinstance(node, exp.Filter) and isinstance(node.this, exp.Sum):
        return summed(node)
    return node


def summed(node: exp.Filter) -> exp.Sum:
    """Rewrite sum(CAST(x AS type)) FILTER (WHERE y) with the cast outermost, for fakesnow."""
    cast = node.this.this
    branch = exp.If(this=node.expression.this, true=cast.this)
    return exp.Sum(this=exp.Cast(this=exp.Case(ifs=[branch]), to=cast.to))


def pattern(node: exp.Expression) -> exp.Expression:
    """Replace the classes in a regular expression by their characters."""
    if not node.is_string:
        return node
    text = re.sub(r"\\x([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), node.this)
    for name, characters in CLASSES.items():
        text = text.replace(name, characters)
    return exp.Literal.string(text)


def joined(separator: exp.Expression, parts: list[exp.Expression]) -> exp.Expression:
    """Rewrite concat_ws, which skips NULLs; Snowflake's is NULL if one part is."""
    texts = []
    for part in parts:
        if separator.name:
            part = exp.DPipe(this=separator.copy(), expression=exp.paren(part))
        texts.append(exp.func("COALESCE", part, exp.Literal.string("")))
    text = texts[0]
    for other in texts[1:]:
        text = exp.DPipe(this=text, expression=other)
    if not separator.name:
        return exp.paren(text)
    return exp.func("SUBSTR", text, exp.Literal.number(len(separator.name) + 1))


def exploded(select: exp.Select) -> None:
    """Rewrite unnest() among the columns as a FLATTEN join.

    Entries of a literal list have types of their own: they are numbered by VALUES and chosen by
    CASE.
    """
    entry, place = exp.column("value", "exploded"), exp.column("index", "exploded")
    number = exp.Add(this=place.copy(), expression=exp.Literal.number(1))
    unnests = find_unnests(select, number)
    if not unnests:
        return
    lists = [node.this for node in unnests]
    if isinstance(lists[0], exp.Array):
        numbers = ", ".join(f"({number})" for number in range(len(lists[0].expressions)))
        rows = source(f"(VALUES {numbers}) AS exploded (index)")
        for node, entries in zip(unnests, lists, strict=True):
            node.replace(chosen(place, entries.expressions))
    elif isinstance(lists[0], exp.GenerateSeries):
        first, last = text(lists[0].args["start"]), text(lists[0].args["end"])
        rows = flattened(select, f"ARRAY_GENERATE_RANGE(0, DATEDIFF(DAY, {first}, {last}) + 1)")
        day = f"DATEADD(DAY, exploded.value::INT, {first})"
        unnests[0].replace(sqlglot.parse_one(day, read=DIALECT))
    else:
        rows = flattened(select, text(lists[0]))
        unnests[0].replace(exp.cast(entry, "VARCHAR"))
        for node in list(select.find_all(exp.Length)):
            if node.this == lists[0]:
                node.replace(call_function("ARRAY_SIZE", node.this))
    if select.args.get("from_"):
        select.append("joins", exp.Join(this=rows, kind="CROSS"))
    else:
        select.set("from_", exp.From(this=rows))


def flattened(select: exp.Select, entries: str) -> exp.Expression:
    """Return a list's entries as rows, joined to the tables of a select or alone."""
    if select.args.get("from_"):
        return source(f"LATERAL FLATTEN(INPUT => {entries}) AS exploded")
    columns = "seq, key, path, index, value, this"
    return source(f"TABLE(FLATTEN(INPUT => {entries})) AS exploded ({columns})")


def chosen(place: exp.Expression, entries: list[exp.Expression]) -> exp.Case:
    branches = [
        exp.If(this=exp.Literal.number(number), true=entry.copy())
        for number, entry in enumerate(entries)
    ]
    return exp.Case(this=place.copy(), ifs=branches)


def source(sql: str) -> exp.Expression:
    """Parse what follows FROM."""
    return sqlglot.parse_one(f"SELECT 1 FROM {sql}", read=DIALECT).args["from_"].this


def text(tree: exp.Expression) -> str:
    return tree.sql(dialect=DIALECT)
