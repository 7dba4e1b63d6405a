"""What a snapshot's file says of itself, for engines that want their tables made before a load."""

from pathlib import Path

from engine import duckdb


def columns_of(path: Path) -> list[tuple[str, str]]:
    """(name, DuckDB's type) of each column of a Parquet file, in its order."""
    with duckdb.connect() as con:
        found = con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
        )
        return [(name, kind) for name, kind, *_ in found.fetchall()]
