"""Building raw and staging from one snapshot: what steps 03 to 05 do, and a replay does again.

Each function works in the caller's transaction, on the batch it is given, and on nothing else.
"""

from dataclasses import dataclass

import decisions
from config import SQL, Settings
from contract import Contract, bind
from engine import DuckDBPyConnection
from errors import Refused, StepError
from files import rules_digest
from manifest import Batch, read, verified
from warehouse import (
    column_names,
    fetch_sql,
    has_tables,
    identifier,
    is_duckdb,
    run_sql,
    set_variables,
    show_parquet,
)

KEPT_SHARE = 0.8  # with fewer records as before, or more that are gone, all are staged anew


def newest_batch(settings: Settings) -> Batch:
    """The newest snapshot. Raises Refused where nothing was landed yet."""
    batches = read(settings.manifest)
    if not batches:
        raise Refused("nothing was landed yet; run `make raw` (or `make run-all`) first")
    return batches[-1]


def load_raw(con: DuckDBPyConnection, batch: Batch, settings: Settings) -> tuple[int, bool]:
    """raw_netflix_titles = the batch's snapshot: (rows, proven against the manifest; is it new)."""
    is_new = show_parquet(con, "raw_netflix_titles", verified(settings.snapshots, batch))
    found = con.execute("SELECT count(*) FROM raw_netflix_titles").fetchone()[0]
    if found != batch.raw_rows or batch.raw_rows + batch.rejected != batch.records:
        raise Refused(
            f"raw_netflix_titles has {found:,} rows, the manifest says {batch.raw_rows:,} "
            f"(of {batch.records:,} records, {batch.rejected:,} rejected); nothing was changed"
        )
    return found, is_new


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


def columns_checked(con: DuckDBPyConnection, batch: Batch) -> bool:
    """Whether the last run of step 04 was on this snapshot and let it pass."""
    last = con.execute(
        "SELECT batch_id, status FROM ops_runs WHERE step = 'schema' ORDER BY rowid DESC LIMIT 1"
    ).fetchone()
    return last == (batch.batch_id, "done")


@dataclass(frozen=True)
class Staged:
    """The books of one staging run."""

    raw: int
    staged: int
    quarantined: int
    duplicates: int
    lost_in_cast: int


def stage(con: DuckDBPyConnection, batch: Batch, contract: Contract, anew: bool = True) -> Staged:
    """staging_netflix_titles and its quarantine from the batch that raw holds.

    Without `anew`, records that were staged before, to the letter and by the same rules, are taken
    over. The result is the same: tests/test_staging_changes.py.
    """
    con.execute("SET preserve_insertion_order = false")  # order costs CTAS 60 %; nothing needs it
    use_macros(con, contract)
    set_variables(
        con,
        {
            "batch_id": batch.batch_id,
            "snapshot_at": batch.snapshot_at,
            "rules": rules_version(contract, batch),
        },
    )
    if has_tables(con, "staging_netflix_titles"):  # of a version before; it is a view since
        con.execute("DROP TABLE staging_netflix_titles")
    run_sql(con, "staging_records.sql")
    kept = not anew and is_duckdb(con) and can_keep(con, batch, contract)
    con.execute("DROP TABLE IF EXISTS staging_books")  # first gone, last made: see adapter.py
    run_sql(con, "staging_changed.sql" if kept else "staging_all.sql")
    run_sql(con, "staging.sql")
    _, _, books = read_books(con)
    if books.raw != books.staged + books.quarantined + books.duplicates:
        raise StepError(f"the books of staging do not balance: {books}; nothing was changed")
    return books


def can_keep(con: DuckDBPyConnection, batch: Batch, contract: Contract) -> bool:
    """Whether it pays to take over what is staged; record_moves says then which records."""
    found = read_books(con)
    if not found or not has_tables(con, "staging_records"):
        return False
    batch_id, rules, books = found
    total, staged = con.execute(
        "SELECT count(*), count(*) FILTER (is_staged) FROM staging_records"
    ).fetchone()
    sound = batch_id != batch.batch_id and staged == books.staged
    if not sound or rules != rules_version(contract, batch) or total * KEPT_SHARE > staged:
        return False
    run_sql(con, "staging_kept.sql")
    kept = con.execute("SELECT count(new_line) FROM record_moves").fetchone()[0]
    return kept > KEPT_SHARE * max(staged, batch.raw_rows)


def staged_already(con: DuckDBPyConnection, batch: Batch, contract: Contract) -> Staged | None:
    """The books of staging, if it holds this very batch as these very rules make it."""
    if not (found := read_books(con)):
        return None
    batch_id, rules, books = found
    rows = con.execute("SELECT count(*) FROM staging_netflix_titles").fetchone()[0]
    rules_now = rules_version(contract, batch)
    same = (batch_id, rules, rows) == (batch.batch_id, rules_now, books.staged)
    return books if same else None


def read_books(con: DuckDBPyConnection) -> tuple[str, str, Staged] | None:
    """(batch id, version of the rules, books) of what the staging tables hold."""
    if not has_tables(con, "staging_books"):
        return None
    row = con.execute(
        "SELECT batch_id, rules, raw_rows, staged_rows, quarantined_records, exact_duplicates, "
        "lost_in_cast FROM staging_books"
    ).fetchone()
    return row[0], row[1], Staged(*row[2:])


def rules_version(contract: Contract, batch: Batch) -> str:
    """A digest of all that decides what staging makes of a snapshot; its year is a rule, too."""
    files = [SQL / "macros.sql", SQL / "staging.sql", SQL / "staging_records.sql"]
    return rules_digest(files, f"{contract.sha256} {batch.snapshot_at.year}")


def use_macros(con: DuckDBPyConnection, contract: Contract) -> None:
    """The cleaning rules of macros.sql, with the contract as the lists that they read."""
    columns = contract.columns
    variables = {
        "list_columns": [column.name for column in columns if column.type == "list"],
        "not_null_columns": [column.name for column in columns if not column.nullable],
        "closed_columns": [column.name for column in columns if column.allowed],
        "allowed_values": [f"{column.name}={v}" for column in columns for v in column.allowed],
        "tracked_columns": contract.tracked,
        "key_columns": contract.key,
    }
    run_sql(con, "macros.sql", variables)


def accepts(settings: Settings, batch: Batch, reason: str = "by ACCEPT") -> bool:
    """Whether a person let the file that this batch was made of pass; ACCEPT is recorded."""
    if settings.accept and batch.source_sha256.startswith(settings.accept):
        decisions.decide(settings.decisions, batch, "accepted", reason)
    return decisions.read(settings.decisions).get(batch.batch_id) == "accepted"


def check_books(con: DuckDBPyConnection, batch: Batch, books: Staged, settings: Settings) -> None:
    """Raises Refused where more than allowed, by count and by share, was set aside or lost."""
    for what, count, rows, pct in (
        (
            "records cannot be a title and went to the quarantine",
            books.quarantined,
            settings.max_quarantined_rows,
            settings.max_quarantined_pct,
        ),
        (
            "values do not parse as a date, year or duration",
            books.lost_in_cast,
            settings.max_lost_in_cast_rows,
            settings.max_lost_in_cast_pct,
        ),
    ):
        share = 100 * count / max(books.raw, 1)
        if count <= rows or share <= pct:
            continue
        found = f"{count:,} {what} ({share:.1f} % of {books.raw:,})"
        if not accepts(settings, batch, found):
            lines = "".join(
                f"\n  line {row['source_line']}: {row['rule']}, value {row['raw_value']!r}"
                for row in fetch_sql(con, "staging_examples.sql")
            )
            raise Refused(
                f"{found}, allowed are {rows:,} and {pct:g} %; nothing was changed. "
                f"If it is right: make run-all ACCEPT={batch.source_sha256[:12]}{lines}"
            )
