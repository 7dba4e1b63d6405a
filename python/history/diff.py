"""What a staged snapshot changes in the history."""

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from config import Settings
from contract import Contract, bind
from ingest.manifest import Batch, verify_file
from warehouse.sql import fetch_file, run_file, set_variables

OPERATIONS = ("insert", "reappear", "update", "delete", "fill", "carry")
EXTRA = (("reappear", "reappeared"), ("fill", "filled"), ("carry", "kept though unreadable"))


@dataclass(frozen=True)
class Diff:
    """What one snapshot changes: titles by operation, and how many there were before."""

    previous: int
    staged: int
    counts: dict[str, int]
    updated_content: int  # updates but for those of show_id alone (CDC_KEY=title)

    def __str__(self) -> str:
        c = self.counts
        words = [f"+{c['insert'] + c['reappear']:,} ~{c['update']:,} -{c['delete']:,}"]
        words += [f"{c[name]:,} {what}" for name, what in EXTRA if c[name]]
        return ", ".join(words)


def find_changes(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract
) -> Diff:
    """Find what the staged snapshot changes: the temp table merge_changes, and its counts."""
    tracked = sorted(
        set(contract.tracked) & {n for n, c in bind(contract, batch.columns).items() if c}
    )
    before = con.execute(
        "SELECT tracked_columns, current_rows FROM ops_merges ORDER BY snapshot_at DESC LIMIT 1"
    ).fetchone()
    then = before[0].split(" ") if before else tracked
    set_variables(
        con,
        {
            "batch_id": batch.batch_id,
            "snapshot_at": batch.snapshot_at,
            "tracked_columns": contract.tracked,
            "key_columns": contract.key,
            "rehash": set(then) != set(tracked),
            "new_columns": [name for name in tracked if name not in then],
            "by_title": settings.cdc_key == "title",
        },
    )
    show_rejects(con, batch, settings)
    run_file(con, f"history/match_by_{settings.cdc_key}.sql")
    run_file(con, "history/diff.sql")
    found = {row["operation"]: row for row in fetch_file(con, "history/diff_counts.sql")}
    staged = con.execute("SELECT count(*) FROM staging_netflix_titles").fetchone()[0]
    counts = {name: found[name]["titles"] if name in found else 0 for name in OPERATIONS}
    content = found["update"]["content_changed"] if "update" in found else 0
    return Diff(before[1] if before else 0, staged, counts, content)


def show_rejects(con: DuckDBPyConnection, batch: Batch, settings: Settings) -> None:
    """The words of the batch's rejected records, as the temp view rejected_texts."""
    if batch.rejects:
        path = verify_file(settings.snapshots / batch.rejects, batch.rejects_sha256)
        con.show_parquet("rejected_records", path, temporary=True)
        source = "rejected_records"
    else:
        source = "(SELECT CAST(NULL AS VARCHAR) AS raw_text) AS none WHERE false"
    con.execute(
        "CREATE OR REPLACE TEMP VIEW rejected_texts AS SELECT string_split(regexp_replace("
        "trim(raw_text), ' *[,;|\"\\t\\r\\n] *', chr(31), 'g'), chr(31)) AS words "
        f"FROM {source}"
    )
