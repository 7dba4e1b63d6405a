"""BigQuery."""

from sqlglot import exp

DIALECT = "bigquery"


def rewrite(tree: exp.Expression) -> exp.Expression:
    """A statement's tree with what BigQuery has under another name, or in another form."""
    if isinstance(tree, exp.Create):  # a temporary table is a real one, replaced by the next run
        tree.set("properties", None)
    return tree
