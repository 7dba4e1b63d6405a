"""Move the warehouse from DuckDB to another engine with its history, and compare the two.

Reads:   the warehouse; the other engine must be able to read files below data/ (docs/engines.md)
Writes:  on the engine that --to names: the history, its records and the quarantine; the next run
         builds the rest there
Fails when: its packages are missing, or what was written is gone with its session (exit 2), it
         has a history already (exit 20), or it differs from DuckDB afterwards (exit 30).
         DuckDB's file stays as it is.

The merge records are copied last: a migration that died is simply run again.

Example: make migrate TO=spark
"""

import hashlib
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb

from config import WAREHOUSES
from contract import load_contract
from errors import NotReady, QualityError, Refused, SettingsError
from runner.console import PLAIN, RED, say
from runner.options import make_parser
from runner.signals import scratch_folder
from runner.step import Step, run_step
from warehouse.columns import choose_columns, column_names
from warehouse.database import (
    Warehouse,
    has_tables,
    identifier,
    literal,
    open_warehouse,
    require_duckdb,
    run_file,
    table_names,
)

MOVED = (
    "ops_runs",
    "ops_schema_changes",
    "ops_checks",
    "ops_check_failures",
    "ops_metrics",
    "ops_origin",
    "ops_ambiguous_matches",
    "staging_netflix_quarantine",
    "analytics_netflix_history",
    "ops_state",
    "ops_merges",  # last: it says that the history is complete
)
# Engine -> the setting that says where its tables are.
PLACE = {"spark": "SPARK_LOCATION", "snowflake": "SNOWFLAKE_URL", "bigquery": "BIGQUERY_DATASET"}
COMPARED = (*MOVED, "analytics_netflix_current", "cdc_netflix_changes")


def run(step: Step, to: str) -> None:
    settings = step.settings
    require_duckdb(settings, "make migrate", "Set WAREHOUSE=duckdb: that is what is moved.")
    if not settings.warehouse_path.exists():
        raise NotReady(f"there is no {settings.warehouse_path} to move; run `make run-all`")
    with scratch_folder("migrate-", settings.data_dir) as folder:
        folder.chmod(0o755)  # the other engine may be another user
        elsewhere = replace(settings, warehouse=to)
        with (
            closing(open_warehouse(elsewhere)) as there,
            closing(open_warehouse(settings, [folder], read_only=True)) as here,
        ):
            if not {*table_names(here)}.issuperset(MOVED):
                raise NotReady("nothing was merged yet that could be moved; run `make run-all`")
            try:
                here.execute("SELECT count(raw_value) FROM staging_netflix_quarantine")
            except duckdb.Error:
                raise NotReady(
                    "the files of staging are lost, damaged or elsewhere; run `make staging` first"
                ) from None
            refuse_history(there)
            for table in MOVED:
                move(here, there, table, folder)
            run_file(there, "history/tables.sql")
            contract = load_contract(settings.contract_path, settings.cdc_key)
            columns = choose_columns(here, "analytics_netflix_history", contract.columns)
            run_file(there, "history/views.sql", columns=columns)
        with (
            closing(open_warehouse(elsewhere)) as there,  # a new session finds only what lasts
            closing(open_warehouse(settings, read_only=True)) as here,
        ):
            if not has_tables(there, *MOVED):
                raise SettingsError(
                    f"what was written to {to} was gone with the session that wrote it. Set "
                    f"{PLACE[to]} to a place that lasts, and run `make migrate` again."
                )
            different = compare(here, there)
    if different:
        raise QualityError(
            f"{', '.join(different)} differ(s) on {to} from what DuckDB holds; go on with DuckDB. "
            "Empty the tables there and run `make migrate` again."
        )
    step.message = f"on {to} now, and equal; go on there with WAREHOUSE={to}"


def refuse_history(there: Warehouse) -> None:
    """Raise Refused if the other engine has a history already."""
    if not has_tables(there, "ops_merges"):
        return
    merges = there.execute("SELECT count(*) FROM ops_merges").fetchone()[0]
    if merges:
        raise Refused(
            f"the warehouse there holds a history of {merges:,} merges already. "
            "Move into an empty one, or go on with the one that is there."
        )


def move(here: Warehouse, there: Warehouse, table: str, folder: Path) -> None:
    """Copy the rows of a table, as a Parquet file."""
    path = folder / f"{table}.parquet"
    here.execute(f"COPY (SELECT * FROM {table}) TO {literal(path)} (FORMAT parquet)")
    path.chmod(0o644)
    there.show_parquet("migrated_rows", path)
    names = ", ".join(map(identifier, column_names(here, table)))
    there.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {names} FROM migrated_rows")
    there.execute("DROP TABLE migrated_rows")


def compare(here: Warehouse, there: Warehouse) -> list[str]:
    """Print a line per table; return the tables whose rows differ in number or content."""
    different = []
    for table in COMPARED:
        names = column_names(here, table)
        expected, found = table_digest(here, table, names), table_digest(there, table, names)
        equal = expected == found
        counts = f"{expected[0]:>11,} here {found[0]:>11,} there"
        say(f"  {table:<28}{counts}  {'equal' if equal else 'DIFFERENT'}", PLAIN if equal else RED)
        if not equal:
            different.append(table)
    return different


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--to", required=True, choices=WAREHOUSES[1:])
    to = parser.parse_args().to
    return run_step("migrate", lambda step: run(step, to), warehouse=False)


FETCHED_ROWS = 10_000
DIGITS = 9  # kept of a fraction


def table_digest(con: Warehouse, table: str, columns: list[str]) -> tuple[int, int]:
    """Return (rows, sum of the rows' SHA-256): the order of the rows does not matter."""
    names = ", ".join(map(identifier, columns))
    cursor = con.execute(f"SELECT {names} FROM {table}")
    count, total = 0, 0
    while rows := cursor.fetchmany(FETCHED_ROWS):
        count += len(rows)
        for row in rows:
            text = repr([normalise_number(value) for value in row])
            total += int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
    return count, total % 2**128


def normalise_number(value: object) -> object:
    """Round a number with a fraction, which engines return as float or Decimal."""
    return round(float(value), DIGITS) if isinstance(value, (float, Decimal)) else value


if __name__ == "__main__":
    sys.exit(main())
