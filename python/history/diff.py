"""What a staged snapshot changes in the history."""

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from config import Settings
from contract import Contract, bind
from ingest.manifest import Batch
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
    tracked: list[str]  # the columns of the contract that the snapshot has
    objection: str | None = None  # why the guard finds this change implausible

    @property
    def unchanged(self) -> int:
        return self.previous - sum(self.counts[n] for n in ("update", "delete", "fill", "carry"))

    @property
    def current(self) -> int:
        c = self.counts
        return self.previous + c["insert"] + c["reappear"] - c["delete"]

    def __str__(self) -> str:
        c = self.counts
        words = [f"+{c['insert'] + c['reappear']:,} ~{c['update']:,} -{c['delete']:,}"]
        words += [f"{c[name]:,} {what}" for name, what in EXTRA if c[name]]
        return ", ".join(words)


def find_changes(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract
) -> Diff:
    """Find what the staged snapshot changes: the temp table merge_changes, and its counts."""
    bound = bind(contract, batch.columns)
    tracked = sorted(name for name in contract.tracked if bound[name])
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
    rows = {row["operation"]: row for row in fetch_file(con, "history/diff_counts.sql")}
    counts = {name: rows[name]["titles"] if name in rows else 0 for name in OPERATIONS}
    content = rows["update"]["content_changed"] if "update" in rows else 0
    staged = con.execute("SELECT count(*) FROM staging_netflix_titles").fetchone()[0]
    return Diff(before[1] if before else 0, staged, counts, content, tracked)


def show_rejects(con: DuckDBPyConnection, batch: Batch, settings: Settings) -> None:
    """Create the temp view rejected_texts: the words of the batch's rejected records."""
    if batch.rejects:
        con.show_parquet("rejected_records", settings.snapshots / batch.rejects, temporary=True)
        source = "rejected_records"
    else:
        source = "(SELECT CAST(NULL AS VARCHAR) AS raw_text) AS none WHERE false"
    con.execute(
        "CREATE OR REPLACE TEMP VIEW rejected_texts AS SELECT string_split(regexp_replace("
        "trim(raw_text), ' *[,;|\"\\t\\r\\n] *', chr(31), 'g'), chr(31)) AS words "
        f"FROM {source}"
    )
