"""The same result by hand, in one process, without any check: the yardstick for the pipeline.

    python tests/bench/bare_minimum.py <clean UTF-8 csv> <folder>

import duckdb, read_csv, write Parquet, load it into a table, run the staging select of
sql/staging.sql. It refuses nothing, repairs no encoding (give it a file that needs none), counts
nothing, records nothing and survives no crash.
"""

import sys
from datetime import datetime
from pathlib import Path

import duckdb

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "python"))

from contract import load_contract  # noqa: E402
from layers import use_macros  # noqa: E402


def main(csv: str, folder: str) -> None:
    parquet, database = f"{folder}/bare.parquet", Path(folder) / "bare.db"
    database.unlink(missing_ok=True)
    con = duckdb.connect(str(database))
    con.execute("SET preserve_insertion_order = false")
    con.execute(
        "COPY (SELECT * FROM read_csv($csv, all_varchar = true, quote = '\"', escape = '\"')) "
        f"TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)",
        {"csv": csv},
    )
    con.execute(
        "CREATE TABLE raw_netflix_titles AS SELECT *, file_row_number + 2 AS source_line "
        f"FROM read_parquet('{parquet}', file_row_number = true)"
    )
    con.execute("CREATE VIEW contract_netflix_titles AS FROM raw_netflix_titles")
    con.execute("SET VARIABLE batch_id = 'bare'")
    con.execute("SET VARIABLE snapshot_at = ?", [datetime(2020, 1, 1)])
    use_macros(con, load_contract(PROJECT / "sql" / "contract.toml"))
    for statement in con.extract_statements((PROJECT / "sql" / "staging.sql").read_text()):
        if "TABLE staging_netflix_titles AS" in statement.query:
            con.execute(statement)
    con.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
