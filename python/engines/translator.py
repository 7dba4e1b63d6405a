"""Translate this project's SQL: parse DuckDB's dialect, write another engine's.

sqlglot does most of it. What only DuckDB has is replaced here, for all engines:

- macros: expanded at each call. Those of sql/engines/portable.sql replace the macros of the same
  name that only DuckDB can run; table macros (catalog_as_of) do not exist there.
- getvariable('x') and `?`: become literals; conditions on them (list_contains, CASE) are folded.
- SET, CHECKPOINT, BEGIN, COMMIT (DuckDB's settings and transactions) and COMMENT (the published
  copy has them): left out.
- rowid: the time in the row. DuckDB's rowid is safe if the clock is set back.

What one engine needs beyond that is the function `rewrite` of its module, engines/<engine>.py.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import sqlglot
from sqlglot import exp

from config import SQL
from engines.dates import portable_date

Rewrite = Callable[[exp.Expression], exp.Expression]
LEFT_OUT = (exp.Set, exp.Transaction, exp.Commit, exp.Rollback, exp.Comment)
ROWID = {"ops_runs": "finished_at", "ops_checks": "checked_at"}


class Translator:
    """Translates statements one by one; remembers the macros and variables of a session.

    `dialect` is sqlglot's name of the engine; `rewrite` changes a statement's tree before sqlglot
    writes it in that dialect.
    """

    def __init__(self, dialect: str, rewrite: Rewrite):
        self.dialect, self.rewrite = dialect, rewrite
        self.variables: dict[str, Any] = {}
        self.macros: dict[str, tuple[list[str], exp.Expression]] = {}
        self.portable: frozenset[str] = frozenset()  # set once they are all known
        for tree in parse_statements((SQL / "engines/portable.sql").read_text(encoding="utf-8")):
            self.remember(tree)
        self.portable = frozenset(self.macros)

    def statements(self, sql: str, values: Sequence[Any] = ()) -> Iterator[exp.Expression]:
        """Yield the trees to run instead of `sql`, in order; write each with `text`."""
        for tree in parse_statements(sql):
            if is_macro(tree):
                self.remember(tree)
            elif is_variable(tree):
                self.set_variable(tree, values)
            elif not isinstance(tree, LEFT_OUT) and tree.name.upper() != "CHECKPOINT":
                yield self.rewrite(self.fill_in_values(tree, values))

    def text(self, tree: exp.Expression) -> str:
        """Return the statement in the engine's dialect. Raises if sqlglot cannot write it."""
        return tree.sql(dialect=self.dialect, comments=False)

    def remember(self, tree: exp.Create) -> None:
        name = tree.this.this.name.lower()
        is_table = tree.find(exp.ReturnsProperty)
        if not is_table and name not in self.portable:
            parameters = [parameter.name for parameter in tree.this.expressions]
            self.macros[name] = parameters, self.expand_macros(tree.expression)

    def set_variable(self, tree: exp.Set, values: Sequence[Any]) -> None:
        setting = tree.expressions[0].this
        self.variables[setting.this.name] = values[0]

    def fill_in_values(self, tree: exp.Expression, values: Sequence[Any]) -> exp.Expression:
        """Expand a statement's macros, fill in its values and fold its constants."""
        tree = self.expand_macros(tree)
        marks = list(tree.find_all(exp.Placeholder, bfs=False))
        for mark, value in zip(marks, values, strict=True):
            mark.replace(to_literal(value))
        for call in find_calls(tree, "getvariable"):
            name = fold_constants(call.expressions[0]).name  # 'formats_' || 'date_added'
            call.replace(to_literal(self.variables[name]))
        for call in find_calls(tree, "try_strptime"):
            call.replace(self.write_date(call.expressions[0], call.expressions[1].expressions))
        for column in list(tree.find_all(exp.Column)):
            if column.name == "rowid":
                column.set("this", exp.to_identifier(ROWID[find_source(column)]))
        return fold_constants(tree)

    def write_date(self, value: exp.Expression, formats: list[exp.Expression]) -> exp.Expression:
        """Return SQL for what DuckDB's try_strptime returns, from 1900 on."""
        dates = ", ".join(portable_date(form.name) for form in formats)
        body = self.expand_macros(sqlglot.parse_one(f"coalesce({dates})", read="duckdb"))
        return fill_in(body, {"value": value})

    def expand_macros(self, tree: exp.Expression) -> exp.Expression:
        """Replace each call of a macro by its body, the innermost first."""
        root = exp.Paren(this=tree)  # so that the tree itself can be replaced
        for call in reversed(list(root.find_all(exp.Anonymous))):
            name = call.name.lower()
            if name in self.macros:
                parameters, body = self.macros[name]
                given = dict(zip(parameters, call.expressions, strict=True))
                call.replace(fill_in(body, given))
        return root.this


def parse_statements(sql: str) -> list[exp.Expression]:
    return [tree for tree in sqlglot.parse(sql, read="duckdb") if tree]


def is_macro(tree: exp.Expression) -> bool:
    return isinstance(tree, exp.Create) and tree.args.get("kind") == "MACRO"


def is_variable(tree: exp.Expression) -> bool:
    return isinstance(tree, exp.Set) and tree.expressions[0].args.get("kind") == "VARIABLE"


def find_calls(tree: exp.Expression, *names: str) -> list[exp.Anonymous]:
    """Return the calls of functions that sqlglot does not know, the innermost first."""
    return [c for c in reversed(list(tree.find_all(exp.Anonymous))) if c.name.lower() in names]


def call_function(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    """Make a call of one of the engine's own functions."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def fill_in(body: exp.Expression, given: dict[str, exp.Expression]) -> exp.Expression:
    """Replace the parameters in a macro's body, in brackets if an operator could split it."""
    root = exp.Paren(this=body.copy())
    for column in list(root.find_all(exp.Column)):
        if not column.table and column.name in given:
            column.replace(put_in_brackets(given[column.name].copy()))
    return put_in_brackets(root.this)


def put_in_brackets(tree: exp.Expression) -> exp.Expression:
    return exp.Paren(this=tree) if isinstance(tree, (exp.Binary, exp.Unary)) else tree


def to_literal(value: Any) -> exp.Expression:
    """Make a literal of a text, number, bool, date, time, None, or a list of texts."""
    if isinstance(value, list):
        return exp.Array(expressions=[to_literal(entry) for entry in value])
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(timestamp_text(value)), "TIMESTAMP", dialect="duckdb")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    return exp.convert(value)


def timestamp_text(value: datetime) -> str:
    """Write a time as DuckDB casts it to text."""
    text = value.isoformat(" ", "microseconds")
    return text.rstrip("0").removesuffix(".") if value.microsecond else text[:19]


def find_source(column: exp.Column) -> str:
    """Return the table of a column, in a statement over one table."""
    return column.find_ancestor(exp.Select).find(exp.Table).name


def fold_constants(tree: exp.Expression) -> exp.Expression:
    """Fold all that constants decide, from the inside out."""
    return transform(tree, fold_node)


def transform(tree: exp.Expression, change: Rewrite) -> exp.Expression:
    """Replace each expression of a tree by what `change` returns for it, from the inside out."""
    root = exp.Paren(this=tree)  # so that the tree itself can be replaced
    for node in reversed(list(root.walk())):
        result = change(node)
        if result is not node:
            node.replace(result)
    return root.this


def find_unnests(select: exp.Select, position: exp.Expression) -> list[exp.Explode]:
    """Return each unnest() among the columns of a select, but none of its subqueries.

    generate_subscripts(list, 1), the number of an entry from 1, becomes `position`.
    """
    unnests = [
        node
        for column in select.expressions
        for node in column.find_all(exp.Explode)
        if node.find_ancestor(exp.Select) is select
    ]
    for call in find_calls(select, "generate_subscripts") if unnests else ():
        call.replace(position.copy())
    return unnests


def fold_node(node: exp.Expression) -> exp.Expression:
    """Fold one expression whose parts are folded already; return it if nothing is known."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Literal.string(re.sub(r"\\x\{([0-9A-F]+)\}", from_code_point, node.this))
    if isinstance(node, exp.Paren) and isinstance(node.this, (exp.Boolean, exp.Null, exp.Literal)):
        return node.this
    if isinstance(node, exp.Cast) and node.is_type(*exp.DataType.TEXT_TYPES) and is_time(node.this):
        return node.this.this
    if isinstance(node, exp.DPipe) and node.left.is_string and node.right.is_string:
        return exp.Literal.string(node.left.name + node.right.name)
    if isinstance(node, exp.ConcatWs):
        node.set("expressions", [e for e in node.expressions if not isinstance(e, exp.Null)])
    if isinstance(node, exp.ArrayContains) and isinstance(node.this, exp.Array):
        return fold_contains(node.expression, node.this.expressions)
    if isinstance(node, exp.Not) and isinstance(node.this, exp.Boolean):
        return exp.Boolean(this=not node.this.this)
    if isinstance(node, (exp.And, exp.Or)):
        return fold_logic(node)
    if isinstance(node, exp.Case) and not node.this:
        return fold_case(node)
    return node


def from_code_point(match: re.Match) -> str:
    r"""Return the character that RE2 writes as \x{A1}: all engines can read it."""
    return chr(int(match[1], 16))


def is_time(node: exp.Expression) -> bool:
    is_cast = isinstance(node, exp.Cast) and node.is_type(*exp.DataType.TEMPORAL_TYPES)
    return is_cast and node.this.is_string


def fold_contains(value: exp.Expression, entries: list[exp.Expression]) -> exp.Expression:
    if value.is_string or not entries:
        return exp.Boolean(this=value.name in [entry.name for entry in entries])
    return exp.In(this=value.copy(), expressions=[entry.copy() for entry in entries])


def fold_logic(node: exp.And | exp.Or) -> exp.Expression:
    """Fold TRUE OR x to TRUE, FALSE AND x to FALSE, and FALSE OR x or TRUE AND x to x."""
    decides = isinstance(node, exp.Or)
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(one, exp.Boolean):
            return one if one.this == decides else other
    return node


def fold_case(node: exp.Case) -> exp.Expression:
    """Remove the branches of a CASE that are never taken, and the CASE if one always is."""
    branches, default = [], node.args.get("default") or exp.Null()
    for branch in node.args["ifs"]:
        if not isinstance(branch.this, exp.Boolean):
            branches.append(branch)
        elif branch.this.this:
            default = branch.args["true"]
            break
    if not branches:
        return default
    return exp.Case(ifs=branches, default=None if isinstance(default, exp.Null) else default)


def write_as_merge(tree: exp.Update) -> exp.Merge:
    """Write UPDATE t SET ... FROM one source WHERE ... as the MERGE that does the same."""
    source = tree.args["from_"].this
    sets = [
        exp.EQ(this=exp.column(item.this.this), expression=item.expression)
        for item in tree.expressions
    ]
    matched = exp.When(matched=True, then=exp.Update(expressions=sets))
    return exp.Merge(
        this=tree.this,
        using=source,
        on=tree.args["where"].this,
        whens=exp.Whens(expressions=[matched]),
    )
