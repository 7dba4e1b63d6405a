"""Apache Spark without Delta's jar, for the tests: the same statements on tables of Parquet files.

Such a table takes no DELETE, UPDATE or MERGE, and is not replaced in one statement. Here its rows
are read as they are to be, and written over it; the conditions and values are the statement's own,
so Spark's planner and its rules of types see them. How Delta does it, is not shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from sqlglot import exp

from engines.spark import Spark

MATCHED = "is_matched"
PARQUET = exp.Properties(expressions=[exp.FileFormatProperty(this=exp.var("parquet"))])
run = Spark.run


@contextmanager
def tables_of_parquet() -> Iterator[None]:
    with mock.patch.object(Spark, "run", run_without_delta):
        yield


def run_without_delta(con: Spark, tree: exp.Expression) -> None:
    if isinstance(tree, (exp.Delete, exp.Update, exp.Merge)):
        write_over(con, tree.find(exp.Table).name, changed_rows(con, tree))
        return
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        if tree.args.get("replace"):
            con.result(f"DROP TABLE IF EXISTS {tree.find(exp.Table).name}")
        tree.set("replace", False)
        tree.set("properties", PARQUET.copy())
    run(con, tree)


def changed_rows(con: Spark, tree: exp.Delete | exp.Update | exp.Merge) -> exp.Select:
    """The rows of the statement's table, as they are after it."""
    table = tree.this
    where = tree.args.get("where")
    condition = exp.func("COALESCE", where.this, exp.false()) if where else exp.true()
    if isinstance(tree, exp.Delete):
        return exp.select("*").from_(table).where(exp.not_(condition))
    if isinstance(tree, exp.Update):
        return exp.select(*changed_columns(con, table, tree, condition)).from_(table)
    whens = tree.args["whens"].expressions
    if len(whens) != 1 or not isinstance(whens[0].args["then"], exp.Update):
        raise NotImplementedError(f"a MERGE that does more than update: {tree.sql()}")
    source = tree.args["using"]
    matched = exp.select("*", exp.alias_(exp.true(), MATCHED)).from_(source)
    columns = changed_columns(con, table, whens[0].args["then"], exp.column(MATCHED))
    return (
        exp.select(*columns)
        .from_(table)
        .join(matched.subquery(source.alias_or_name), on=tree.args["on"], join_type="left")
    )


def changed_columns(
    con: Spark, table: exp.Table, update: exp.Update, condition: exp.Expression
) -> Iterator[exp.Expression]:
    values = {item.this.name: item.expression for item in update.expressions}
    for name in con.result(f"SELECT * FROM {table.name} LIMIT 0")[0]:
        column = exp.column(exp.to_identifier(name, quoted=True), table.name)
        if name in values:
            column = exp.Case().when(condition.copy(), values[name]).else_(column)
        yield exp.alias_(column, name, quoted=True)


def write_over(con: Spark, table: str, rows: exp.Select) -> None:
    """Spark does not write over what it reads. A row that two sources match would come twice."""
    may_shrink = rows.is_star  # a DELETE
    con.result(f"CREATE TABLE rows_as_changed USING parquet AS {con.translator.text(rows)}")
    (before,), (after,) = (
        next(con.result(f"SELECT count(*) AS row_count FROM {name}")[1])
        for name in (table, "rows_as_changed")
    )
    assert after == before or may_shrink, f"{table}: {before} rows became {after}"
    con.result(f"INSERT OVERWRITE {table} SELECT * FROM rows_as_changed")
    con.result("DROP TABLE rows_as_changed")
    con.refresh(table)
