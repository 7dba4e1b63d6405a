"""Each statement that a mirror sends to a service is one in the service's dialect."""

import pytest
from conftest import PROJECT

pytestmark = pytest.mark.engines
sqlglot = pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
# Not in sqlglot's grammar: it keeps the words as they are. As Snowflake documents them:
# PUT file://<path> <stage> [AUTO_COMPRESS = ...] [OVERWRITE = ...], BEGIN TRANSACTION, COMMIT.
AS_THEY_ARE = {"bigquery": set(), "snowflake": set()}


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_each_statement_parses_in_the_dialect_of_its_service(name):
    text = (PROJECT / f"tests/mirror/{name}.sql").read_text()
    parts = [
        part for part in text.split(";\n") if part.strip() and not part.strip().startswith("--")
    ]
    assert len(parts) > 10
    kinds = set()
    for part in parts:
        trees = sqlglot.parse(part, read=name, error_level=sqlglot.ErrorLevel.RAISE)
        assert len(trees) == 1, part
        if isinstance(trees[0], sqlglot.exp.Command):
            assert trees[0].name.upper() in AS_THEY_ARE[name], part
        kinds.add(type(trees[0]).__name__)
    assert {"Create", "Insert", "Merge", "Delete", "Transaction", "Commit"} <= kinds
