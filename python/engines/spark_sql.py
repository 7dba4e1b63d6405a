"""Rewrite this project's SQL for Spark, beyond what sqlglot translates by itself."""

from sqlglot import exp

from engines.translator import call_function, find_unnests, transform, write_as_merge

DIALECT = "spark"
HASH_TYPE = "DECIMAL(38, 0)"  # a sum of 64-bit hashes fits
MAX_CHR = 127  # Spark's chr() counts modulo 256


def rewrite(tree: exp.Expression, table_format: str = "delta") -> exp.Expression:
    """Rewrite a statement's tree for what Spark has under another name, or in another form."""
    for select in list(tree.find_all(exp.Select)):
        explode_lists(select)
    tree = transform(tree, rewrite_node)
    if isinstance(tree, exp.Update) and tree.args.get("from_"):
        return write_as_merge(tree)
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        return give_format(tree, table_format)
    return tree


def rewrite_node(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous):
        return rewrite_call(node)
    if isinstance(node, exp.RegexpExtract):  # the group is the first by default, and in sqlglot 0
        return call_function("regexp_extract", node.this, node.expression, node.args["group"])
    if isinstance(node, exp.Chr) and int(node.expressions[0].name) > MAX_CHR:
        return exp.Literal.string(chr(int(node.expressions[0].name)))
    if isinstance(node, exp.Split):  # sqlglot quotes the separator by \Q and \E, Java's own
        return call_function("split", node.this, node.expression)
    if isinstance(node, exp.DayOfWeekIso):  # sqlglot's is off by two days, Sail's weekday() by one
        return exp.paren((exp.paren(call_function("dayofweek", node.this) + 5) % 7) + 1)
    if isinstance(node, exp.GroupConcat):
        return join_texts(node)
    if isinstance(node, exp.DateDiff):
        return count_boundaries(node)
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return exp.DataType.build(HASH_TYPE, dialect="spark")
    return node


def rewrite_call(call: exp.Anonymous) -> exp.Expression:
    name, arguments = call.name.lower(), call.expressions
    if name == "hash":
        return call_function("xxhash64", *arguments)
    if name == "list_has_all":
        missing = exp.func("array_except", arguments[1], arguments[0], dialect="spark")
        return exp.EQ(this=exp.func("size", missing), expression=exp.Literal.number(0))
    return call


def join_texts(node: exp.GroupConcat) -> exp.Expression:
    """Rewrite string_agg(x, ', ' ORDER BY x): Spark had no LISTAGG before 4.0."""
    array = exp.func("sort_array", exp.func("collect_list", node.this.this))
    return exp.func("array_join", array, node.args["separator"])


def count_boundaries(node: exp.DateDiff) -> exp.Expression:
    """Rewrite date_diff, which counts how often the unit began; Spark's counts whole units."""
    unit = node.unit.name.lower()
    start, end = (
        call_function("date_trunc", exp.Literal.string(unit), time)
        for time in (node.expression, node.this)
    )
    return call_function("timestampdiff", exp.var(unit), start, end)


def explode_lists(select: exp.Select) -> None:
    """Rewrite unnest() among the columns: the first list as a LATERAL VIEW, others by position."""
    number = exp.Add(this=exp.column("place", "exploded"), expression=exp.Literal.number(1))
    if not (unnests := find_unnests(select, exp.paren(number))):
        return
    first, *others = unnests
    view = "POSEXPLODE(entries) exploded AS place, entry"
    select.lateral(view, dialect=DIALECT, copy=False)
    select.args["laterals"][-1].find(exp.Column).replace(first.this.copy())
    first.replace(exp.column("entry", "exploded"))
    for other in others:
        other.replace(call_function("element_at", other.this.copy(), number.copy()))


def give_format(tree: exp.Create, table_format: str) -> exp.Create:
    """Give a table its format; a temporary one is real, and replaced by the next run."""
    properties: list[exp.Expression] = [exp.FileFormatProperty(this=exp.var(table_format))]
    if table_format == "delta":  # else it keeps the columns of the table that it replaces
        name, value = exp.Literal.string("overwriteSchema"), exp.Literal.string("true")
        properties.append(exp.Property(this=name, value=value))
    tree.set("properties", exp.Properties(expressions=properties))
    return tree
