"""Landing by hand: read_csv -> zstd Parquet, no digest, no count, no lines, no checks.

    python tests/bench/bare_landing.py <clean UTF-8 csv> <parquet>

The yardstick for step 02.
"""

import sys

import duckdb


def main(csv: str, parquet: str) -> None:
    duckdb.execute(
        "COPY (SELECT * FROM read_csv($csv, all_varchar = true, quote = '\"', escape = '\"')) "
        f"TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)",
        {"csv": csv},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
