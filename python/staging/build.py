"""Load a snapshot as raw_netflix_titles; clean and type it into staging and its quarantine.

Each function works in the caller's transaction, on the batch it is given.
"""

from dataclasses import dataclass

import duckdb

from config import SQL, Limit, Settings, share
from contract import Contract, bind, load_contract, tracked_columns
from errors import Refused, StateError, StepError
from ingest.decisions import is_accepted, record_acceptance
from ingest.manifest import Batch, verify_snapshot
from runner.files import fingerprint
from staging.files import (
    MOST_PARTS,
    count_parts,
    find_damaged_file,
    run_staging_file,
    stage_part,
)
from staging.macros import create_cleaning_macros, declare
from staging.propose import propose_lines
from warehouse.columns import column_names
from warehouse.database import (
    Warehouse,
    fetch_file,
    has_tables,
    identifier,
    read_sql,
    run_file,
    set_variables,
    table_names,
)


def load_raw(con: Warehouse, batch: Batch, settings: Settings) -> int:
    """Make raw_netflix_titles the batch's snapshot; return its rows.

    Raises StateError if the number of rows is not that of the record.
    """
    con.show_parquet("raw_netflix_titles", verify_snapshot(settings.snapshots, batch))
    rows = con.execute("SELECT count(*) FROM raw_netflix_titles").fetchone()[0]
    if rows != batch.raw_rows or batch.raw_rows + batch.rejected != batch.records:
        raise StateError(
            f"raw_netflix_titles has {rows:,} rows, its record says {batch.raw_rows:,} "
            f"(of {batch.records:,} records, {batch.rejected:,} rejected)"
        )
    return rows


def is_loaded(con: Warehouse, batch: Batch) -> bool:
    """Return whether raw_netflix_titles shows this batch; a batch without rows always counts."""
    if "raw_netflix_titles" not in table_names(con):
        return False
    try:
        row = con.execute("SELECT batch_id FROM raw_netflix_titles LIMIT 1").fetchone()
    except duckdb.PermissionException:  # it shows a file in another folder: the data were moved
        return False
    return row in (None, (batch.batch_id,))


def bind_columns(con: Warehouse, batch: Batch, contract: Contract) -> None:
    """Create the view contract_netflix_titles: the raw columns under their canonical names.

    Missing columns are NULL; so is record_hash in older snapshots, which are then staged in full.
    Raises Refused if a required column is missing.
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


REUSE_SHARE = 0.8  # reuse staged rows only if this share is unchanged; else restage everything


@dataclass(frozen=True)
class StagingCounts:
    """The row counts of one staging run; raw = staged + quarantined + duplicates."""

    raw: int
    staged: int
    quarantined: int
    duplicates: int
    lost_in_cast: int


def build_staging(
    con: Warehouse, batch: Batch, contract: Contract, full: bool = True
) -> StagingCounts:
    """Build staging_netflix_titles and its quarantine from the batch in raw_netflix_titles.

    In DuckDB they are views of files, of this session only until keep_staging() (staging/files.py).
    Without `full`, unchanged records keep their staged rows if the rules are the same, too. The
    result is the same: tests/staging/test_staging_changes.py.
    """
    con.execute("SET preserve_insertion_order = false")  # nothing needs it, and it costs 60 %
    create_cleaning_macros(con, contract)
    columns = contract.columns
    declare(con, "content_hash", read_sql("content_hash.sql", columns))
    bound = bind(contract, batch.columns)
    set_variables(
        con,
        {
            "batch_id": batch.batch_id,
            "snapshot_at": batch.snapshot_at,
            "tracked_columns": tracked_columns(contract, batch.columns),
            "not_null_columns": [
                c.name for c in contract.columns if not c.nullable and bound[c.name]
            ],
            "all_columns": list(bound),
            "has_key": all(bound[name] for name in contract.key),
            "rules": staging_fingerprint(contract, batch),
        },
    )
    if has_tables(con, "staging_netflix_titles"):  # a table in older versions, now a view
        con.execute("DROP TABLE staging_netflix_titles")
    con.execute("DROP TABLE IF EXISTS staging_books")  # staging_counts in older versions
    declare(con, "staging", read_sql("staging.sql", columns), stays=full)
    reuse = not full and con.has_transactions and can_reuse_staged_rows(con, batch, contract)
    con.execute("DROP TABLE IF EXISTS staging_counts")  # dropped first, created last: see base.py
    if con.has_transactions:
        load = "records_to_stage" if reuse else "match_none"
        run_file(con, f"staging/{load}.sql", columns=columns)
        stage_part(con, columns, reuse)
        files = ["lines", "records", "titles", "shared_keys", "unstage_lines"]
    else:
        files = ["load_all", "titles", "shared_keys", "unstage_records"]
    if "staging_netflix_quarantine" not in table_names(con):
        files.append("empty_quarantine")
    for name in (*files, "quarantine"):
        run_staging_file(con, name, columns)
    counts = fetch_counts(con)[2]
    if counts.raw != counts.staged + counts.quarantined + counts.duplicates:
        raise StepError(f"the row counts of staging do not reconcile: {counts}")
    return counts


def can_reuse_staged_rows(con: Warehouse, batch: Batch, contract: Contract) -> bool:
    """Return whether most staged rows can stay; record_moves then says which."""
    last, parts = read_staging_counts(con), count_parts(con)
    if not (last and 0 < parts < MOST_PARTS):
        return False
    batch_id, rules, counts = last
    total, staged = con.execute(
        "SELECT (SELECT count(*) FROM staging_parts), count(*) FROM staging_lines WHERE is_staged"
    ).fetchone()
    sound = batch_id != batch.batch_id and staged == counts.staged
    if not sound or rules != staging_fingerprint(contract, batch) or total * REUSE_SHARE > staged:
        return False
    run_file(con, "staging/match_unchanged.sql")
    kept = con.execute("SELECT count(*) FROM record_moves").fetchone()[0]
    return kept > REUSE_SHARE * max(staged, batch.raw_rows)


def find_staged(con: Warehouse, batch: Batch, contract: Contract) -> StagingCounts | None:
    """Return the row counts of staging if it holds this batch, staged by these rules."""
    if not (last := read_staging_counts(con)):
        return None
    batch_id, rules, counts = last
    if con.has_transactions:
        whole = count_parts(con) and not find_damaged_file(con, read=False)
    else:
        row = con.execute("SELECT count(*) FROM staging_netflix_titles").fetchone()
        whole = row == (counts.staged,)
    same = (batch_id, rules) == (batch.batch_id, staging_fingerprint(contract, batch))
    return counts if same and whole else None


def is_schema_checked(con: Warehouse, batch: Batch) -> bool:
    """Return whether the last run of step 04 passed this snapshot, and it is still loaded."""
    last = con.execute(
        "SELECT batch_id, status FROM ops_runs WHERE step = 'schema' ORDER BY rowid DESC LIMIT 1"
    ).fetchone()
    return last == (batch.batch_id, "done") and is_loaded(con, batch)


def read_staging_counts(con: Warehouse) -> tuple[str, str, StagingCounts] | None:
    """Return (batch id, fingerprint of the rules, row counts) of the last staging run, if any."""
    return fetch_counts(con) if has_tables(con, "staging_counts") else None


def fetch_counts(con: Warehouse) -> tuple[str, str, StagingCounts]:
    row = con.execute(
        "SELECT batch_id, rules, raw_rows, staged_rows, quarantined_records, exact_duplicates, "
        "lost_in_cast FROM staging_counts"
    ).fetchone()
    return row[0], row[1], StagingCounts(*row[2:])


def staging_fingerprint(contract: Contract, batch: Batch) -> str:
    """Return a fingerprint of all that decides how a snapshot is staged; its year counts, too."""
    files = [SQL / name for name in ("macros.sql", "content_hash.sql", "staging.sql")]
    files += sorted((SQL / "staging").glob("*.sql"))
    bound = [name for name, source in bind(contract, batch.columns).items() if source]
    names = f"{' '.join(bound)} {' '.join(tracked_columns(contract, batch.columns))}"
    return fingerprint(files, f"{contract.sha256} {batch.snapshot_at.year} {names}")


def check_staging_limits(
    con: Warehouse, batch: Batch, counts: StagingCounts, settings: Settings
) -> None:
    """Raise Refused if too much, by count and by share, was quarantined or lost in casts."""
    for what, count, rows, pct in (
        (
            "records cannot be a title and went to the quarantine",
            counts.quarantined,
            settings.max_quarantined_rows,
            settings.max_quarantined_pct,
        ),
        (
            "values do not parse as a date, year, duration or number",
            counts.lost_in_cast,
            settings.max_lost_in_cast_rows,
            settings.max_lost_in_cast_pct,
        ),
    ):
        if not Limit(rows, pct).exceeded_by(count, counts.raw):
            continue
        excess = f"{count:,} {what} ({share(count, counts.raw):.1f} % of {counts.raw:,})"
        if not is_accepted(settings, batch):
            lines = "".join(
                f"\n  line {row['source_line']}: {row['rule']}, value {row['raw_value']!r}"
                for row in fetch_file(con, "staging/examples.sql")
            )
            raise Refused(
                f"{excess}, allowed are {rows:,} and {pct:g} %. "
                f"If it is right: make run-all ACCEPT={batch.source_sha256[:12]}{lines}"
                f"{propose_lines(con, load_contract(settings.contract_path, settings.cdc_key))}"
            )
        record_acceptance(settings, batch, excess)
