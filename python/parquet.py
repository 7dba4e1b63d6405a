"""What a Parquet file says of itself, for engines that want a table made before they load it."""

from pathlib import Path

from sqlglot import exp

from engine import duckdb


def columns_of(path: Path, dialect: str) -> list[tuple[str, str]]:
    """(name, type in an engine's own words) of each column, in the file's order."""
    with duckdb.connect() as con:
        found = con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
        )
        return [
            (name, exp.DataType.build(kind, dialect="duckdb").sql(dialect=dialect))
            for name, kind, *_ in found.fetchall()
        ]
