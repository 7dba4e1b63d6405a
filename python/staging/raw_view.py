"""Show one snapshot as raw_netflix_titles, and under the contract's names.

Each function works in the caller's transaction, on the batch it is given, and on nothing else.
"""

from duckdb import DuckDBPyConnection

from config import Settings
from contract import Contract, bind
from errors import Refused
from ingest.manifest import Batch, verify_snapshot
from warehouse.quoting import identifier
from warehouse.sql import column_names, table_names


def load_raw(con: DuckDBPyConnection, batch: Batch, settings: Settings) -> tuple[int, bool]:
    """raw_netflix_titles = the batch's snapshot: (rows, proven against the manifest; is it new)."""
    is_new = con.show_parquet("raw_netflix_titles", verify_snapshot(settings.snapshots, batch))
    found = con.execute("SELECT count(*) FROM raw_netflix_titles").fetchone()[0]
    if found != batch.raw_rows or batch.raw_rows + batch.rejected != batch.records:
        raise Refused(
            f"raw_netflix_titles has {found:,} rows, the manifest says {batch.raw_rows:,} "
            f"(of {batch.records:,} records, {batch.rejected:,} rejected); nothing was changed"
        )
    return found, is_new


def is_loaded(con: DuckDBPyConnection, batch: Batch) -> bool:
    """Whether raw_netflix_titles shows this batch; one without a record shows nothing."""
    if "raw_netflix_titles" not in table_names(con):
        return False
    row = con.execute("SELECT batch_id FROM raw_netflix_titles LIMIT 1").fetchone()
    return row in (None, (batch.batch_id,))


def bind_columns(con: DuckDBPyConnection, batch: Batch, contract: Contract) -> None:
    """contract_netflix_titles = the raw columns under their canonical names; missing ones NULL.

    So is the record_hash of snapshots from before there was one: all of it is staged, then.
    Raises Refused where a required column is missing.
    """
    bound = bind(contract, batch.columns)
    missing = [
        column.name for column in contract.columns if column.required and not bound[column.name]
    ]
    if missing:
        raise Refused(f"snapshot {batch.batch_id} has no column {', '.join(missing)}")
    columns = ", ".join(
        f"{identifier(source) if source else 'CAST(NULL AS VARCHAR)'} AS {identifier(name)}"
        for name, source in bound.items()
    )
    has_hash = "record_hash" in column_names(con, "raw_netflix_titles")
    record_hash = "record_hash" if has_hash else "CAST(NULL AS BIGINT) AS record_hash"
    con.execute(
        "CREATE OR REPLACE VIEW contract_netflix_titles AS "
        f"SELECT {columns}, {record_hash}, source_line, source_file, batch_id "
        "FROM raw_netflix_titles"
    )
