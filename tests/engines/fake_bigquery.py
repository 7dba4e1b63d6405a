r"""BigQuery for the tests: bqemulator, in an environment of its own.

Three things are corrected: it asks the network for DuckDB's spatial extension, which comes as a
package instead; it takes \x1f in a text for four characters, which BigQuery takes for one; and it
joins an array that holds nothing but NULL to NULL, which BigQuery joins to an empty text.

    python fake_bigquery.py PORT FOLDER
"""

import re
import shutil
import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import sqlglot
from sqlglot import exp


def with_extension(folder: Path) -> None:
    """Put the extension where DuckDB, with `folder` as its home, looks for it."""
    with duckdb.connect() as con:
        platform = con.execute("PRAGMA platform").fetchone()[0]
    packaged = Path(duckdb_extension_spatial.__file__).parent / "extensions"
    version = f"v{duckdb.__version__}"
    place = folder / ".duckdb" / "extensions" / version / platform
    place.mkdir(parents=True)
    shutil.copy(packaged / version / "spatial.duckdb_extension", place)


def correct(parse):
    """A parser of sqlglot whose trees say in DuckDB's words what BigQuery does."""

    def character(found: re.Match) -> str:
        return chr(int(found[1], 16)) if found[1] else found[0]

    def parse_mended(sql: str, *arguments, **options):
        sql = re.sub(r"(?s)\\(?:x([0-9a-f]{2})|.)", character, sql)
        found = parse(sql, *arguments, **options)
        for tree in found if isinstance(found, list) else [found]:
            for node in list(tree.find_all(exp.ArrayToString)) if tree else ():
                text = exp.Coalesce(expressions=[exp.Literal.string("")])
                node.replace(text)
                text.set("this", node)
        return found

    return parse_mended


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    with_extension(folder)
    sqlglot.parse_one = correct(sqlglot.parse_one)
    sqlglot.parse = correct(sqlglot.parse)
    from bqemulator.cli import main

    main(["start", "--rest-port", str(port), "--grpc-port", "0", "--log-level", "error"])
