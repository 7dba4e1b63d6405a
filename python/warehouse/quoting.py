"""Put names and texts into SQL: the only way a name from a file gets into a statement."""

from pathlib import Path


def identifier(name: str) -> str:
    """Quote a name as a SQL identifier; the only way a name from a file gets into a statement."""
    if not name or "\0" in name:
        raise ValueError(f"not usable as a column name: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """Quote a text as a SQL string, for the few statements (COPY, views) that take no parameter."""
    return "'" + str(text).replace("'", "''") + "'"
