"""BigQuery for the tests: bqemulator, in an environment of its own.

Two things are mended: it asks the network for DuckDB's spatial extension, which comes as a package
instead, and it takes \\x1f in a text for four characters, which BigQuery takes for one.

    python fake_bigquery.py PORT FOLDER
"""

import re
import shutil
import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import sqlglot


def with_extension(folder: Path) -> None:
    """Put the extension where DuckDB, with `folder` as its home, looks for it."""
    with duckdb.connect() as con:
        platform = con.execute("PRAGMA platform").fetchone()[0]
    packaged = Path(duckdb_extension_spatial.__file__).parent / "extensions"
    version = f"v{duckdb.__version__}"
    place = folder / ".duckdb" / "extensions" / version / platform
    place.mkdir(parents=True)
    shutil.copy(packaged / version / "spatial.duckdb_extension", place)


def reads_escapes(parse):
    """A parser of sqlglot that knows a character by its number, too."""

    def character(found: re.Match) -> str:
        return chr(int(found[1], 16)) if found[1] else found[0]

    def parse_escaped(sql: str, *arguments, **options):
        return parse(re.sub(r"(?s)\\(?:x([0-9a-f]{2})|.)", character, sql), *arguments, **options)

    return parse_escaped


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    with_extension(folder)
    sqlglot.parse_one = reads_escapes(sqlglot.parse_one)
    sqlglot.parse = reads_escapes(sqlglot.parse)
    from bqemulator.cli import main

    main(["start", "--rest-port", str(port), "--grpc-port", "0", "--log-level", "error"])
