"""The same result by hand, in one process, without any check: the yardstick for the pipeline.

    python tests/bench/bare_minimum.py <clean UTF-8 csv> <folder> [history]

import duckdb, read_csv, write Parquet, load it into a table, run the staging select of
sql/staging.sql; with `history`, also put it into the history that stands in
<folder>/bare.db, as step 06 does. It refuses nothing, repairs no encoding (give it a file that
needs none), counts nothing, records nothing and survives no crash.
"""

import sys
from datetime import datetime
from pathlib import Path

import duckdb

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent.parent
sys.path[:0] = [str(PROJECT / "python"), str(BENCH)]

import bare_merge  # noqa: E402

from contract import load_contract, tracked_columns  # noqa: E402
from staging.macros import create_cleaning_macros  # noqa: E402
from warehouse.database import DuckDBWarehouse, run_file, set_variables  # noqa: E402


def main(csv: str, folder: str, history: str = "") -> None:
    parquet, database = f"{folder}/bare.parquet", Path(folder) / "bare.db"
    if not history:
        database.unlink(missing_ok=True)
    is_new = not database.exists()
    con = DuckDBWarehouse(duckdb.connect(str(database)))
    con.execute("SET preserve_insertion_order = false")
    con.execute(
        "COPY (SELECT * FROM read_csv($csv, all_varchar = true, quote = '\"', escape = '\"')) "
        f"TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)",
        {"csv": csv},
    )
    con.execute(
        "CREATE OR REPLACE TABLE raw_netflix_titles AS SELECT *, file_row_number + 2 AS "
        f"source_line FROM read_parquet('{parquet}', file_row_number = true)"
    )
    con.execute(
        "CREATE OR REPLACE VIEW contract_netflix_titles AS "
        "SELECT *, CAST(NULL AS BIGINT) AS record_hash FROM raw_netflix_titles"
    )
    contract = load_contract(PROJECT / "sql" / "contract.toml")
    names = [column.name for column in contract.columns]
    set_variables(
        con,
        {
            "batch_id": "bare",
            "snapshot_at": datetime(2020, 1, 1),
            "tracked_columns": tracked_columns(contract, names),
            "not_null_columns": [column.name for column in contract.columns if not column.nullable],
            "all_columns": names,
            "has_key": True,
        },
    )
    create_cleaning_macros(con, contract)
    for name in ("content_hash.sql", "staging.sql"):
        run_file(con, name, columns=contract.columns)
    con.execute(
        "CREATE OR REPLACE TABLE staging_netflix_titles AS "
        "SELECT * EXCLUDE (record_hash, is_staged) FROM staged_records"
    )
    if history:
        if is_new:
            run_file(con, "history/empty.sql", columns=contract.columns)
        bare_merge.merge(con)
    con.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
