"""Spark through Spark Connect, with Delta tables: Databricks, EMR, open-source Spark, Sail."""

from sqlglot import exp

from dialects import from_one_source

DIALECT = "spark"
HASH_TYPE = "DECIMAL(38, 0)"  # a sum of 64-bit hashes fits


def rewrite(tree: exp.Expression) -> exp.Expression:
    """A statement's tree with what Spark has under another name, or in another form."""
    for select in list(tree.find_all(exp.Select)):
        exploded(select)
    root = exp.Paren(this=tree)
    for node in reversed(list(root.walk())):
        result = rewritten(node)
        if result is not node:
            node.replace(result)
    tree = root.this
    if isinstance(tree, exp.Update) and tree.args.get("from_"):
        return from_one_source(tree)
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        return delta_table(tree)
    return tree


def rewritten(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous):
        return function(node)
    if isinstance(node, exp.RegexpExtract):  # the group is the first by default, and in sqlglot 0
        parts = [node.this, node.expression, node.args["group"]]
        return exp.Anonymous(this="regexp_extract", expressions=parts)
    if isinstance(node, exp.Split):  # sqlglot quotes the separator by \Q and \E, Java's own
        return exp.Anonymous(this="split", expressions=[node.this, node.expression])
    if isinstance(node, exp.DayOfWeekIso):  # sqlglot's is off by two days
        return exp.Add(this=exp.func("weekday", node.this), expression=exp.Literal.number(1))
    if isinstance(node, exp.GroupConcat):
        return listed(node)
    if isinstance(node, exp.DateDiff):
        return boundaries(node)
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return exp.DataType.build(HASH_TYPE, dialect="spark")
    return node


def function(call: exp.Anonymous) -> exp.Expression:
    name, arguments = call.name.lower(), call.expressions
    if name == "hash":
        return exp.Anonymous(this="xxhash64", expressions=arguments)
    if name == "list_has_all":
        missing = exp.func("array_except", arguments[1], arguments[0], dialect="spark")
        return exp.EQ(this=exp.func("size", missing), expression=exp.Literal.number(0))
    return call


def listed(node: exp.GroupConcat) -> exp.Expression:
    """string_agg(x, ', ' ORDER BY x): Spark had no LISTAGG before 4.0."""
    ordered = node.this
    array = exp.func("sort_array", exp.func("collect_list", ordered.this))
    return exp.func("array_join", array, node.args["separator"])


def boundaries(node: exp.DateDiff) -> exp.Expression:
    """date_diff counts how often the unit began; Spark's counts whole units between times."""
    unit = node.unit.name.lower()
    ends = [
        exp.Anonymous(this="date_trunc", expressions=[exp.Literal.string(unit), end])
        for end in (node.expression, node.this)
    ]
    return exp.Anonymous(this="timestampdiff", expressions=[exp.var(unit), *ends])


def exploded(select: exp.Select) -> None:
    """unnest() among the columns, as a LATERAL VIEW: the first list, and others by its positions.

    generate_subscripts(list, 1) is the position from 1.
    """
    generators = [
        node
        for column in select.expressions
        for node in column.find_all(exp.Explode)
        if node.find_ancestor(exp.Select) is select
    ]
    if not generators:
        return
    first, *others = generators
    place, entry = exp.column("place", "exploded"), exp.column("entry", "exploded")
    view = exp.Lateral(
        this=exp.Posexplode(this=first.this.copy()),
        view=True,
        alias=exp.TableAlias(
            this=exp.to_identifier("exploded"),
            columns=[exp.to_identifier("place"), exp.to_identifier("entry")],
        ),
    )
    select.append("laterals", view)
    first.replace(entry)
    for other in others:
        other.replace(exp.Bracket(this=other.this.copy(), expressions=[place.copy()]))
    for call in list(select.find_all(exp.Anonymous)):
        if call.name.lower() == "generate_subscripts":
            call.replace(exp.Add(this=place.copy(), expression=exp.Literal.number(1)))


def delta_table(tree: exp.Create) -> exp.Create:
    """A table in the Delta format; a temporary one is a real one, replaced by the next run."""
    properties = exp.Properties(expressions=[exp.FileFormatProperty(this=exp.var("delta"))])
    tree.set("properties", properties)
    return tree
