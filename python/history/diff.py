"""Find what a staged snapshot changes in the history, and whether that is implausible."""

from dataclasses import dataclass

from config import Limit, Settings, share
from contract import Contract, bind, tracked_columns
from ingest.manifest import Batch
from staging.macros import declare
from warehouse.columns import KNOWN
from warehouse.database import Warehouse, fetch_file, read_sql, run_file, set_variables

OPERATIONS = ("insert", "reappear", "update", "delete", "fill", "carry")
EXTRA = (("reappear", "reappeared"), ("fill", "filled"), ("carry", "carried forward"))


@dataclass(frozen=True)
class Diff:
    """What one snapshot changes: titles by operation, and how many there were before."""

    previous: int
    staged: int
    counts: dict[str, int]
    tracked: list[str]  # the columns of the contract that the snapshot has
    is_rehashed: bool  # these columns are not those of the previous merge
    attributes: list[str]  # columns of the snapshot that are not tracked, and not its key
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


def find_changes(con: Warehouse, batch: Batch, settings: Settings, contract: Contract) -> Diff:
    """Create the temp table merge_changes: what the staged snapshot changes; return its counts."""
    bound = bind(contract, batch.columns)
    tracked = tracked_columns(contract, batch.columns)
    before = con.execute(
        "SELECT tracked_columns, current_rows FROM ops_merges ORDER BY snapshot_at DESC LIMIT 1"
    ).fetchone()
    then = before[0].split(" ") if before else tracked
    attributes = [n for n in bound if bound[n] and n not in (*contract.tracked, *contract.key)]
    new_columns = [name for name in tracked if name not in then]
    missing = [name for name, source in bound.items() if not source]
    set_variables(
        con,
        {
            "batch_id": batch.batch_id,
            "snapshot_at": batch.snapshot_at,
            "tracked_columns": tracked,
            "key_columns": contract.key,
            "rehash": set(then) != set(tracked),
            "new_columns": new_columns,
            "has_new_columns": bool(new_columns),
            "missing_columns": missing,
            "has_missing_columns": bool(missing),
            "attributes": attributes,
            "by_title": settings.cdc_key == "title",
        },
    )
    declare(con, "content_hash", read_sql("content_hash.sql", contract.columns))
    run_file(con, "history/live_titles.sql", columns=contract.columns)
    show_rejects(con, batch, settings)
    for name in (f"history/match_by_{settings.cdc_key}.sql", "history/diff.sql"):
        run_file(con, name, columns=contract.columns)
    rows = {row["operation"]: row for row in fetch_file(con, "history/diff_counts.sql")}
    counts = {name: rows[name]["titles"] if name in rows else 0 for name in OPERATIONS}
    staged = con.execute("SELECT staged_rows FROM staging_counts").fetchone()[0]
    previous = before[1] if before else 0
    return Diff(previous, staged, counts, tracked, set(then) != set(tracked), attributes)


def show_rejects(con: Warehouse, batch: Batch, settings: Settings) -> None:
    """Create the temp view rejected_texts: the words of the batch's rejected records."""
    if batch.rejects:
        con.show_parquet("rejected_records", settings.snapshots / batch.rejects, temporary=True)
        source = "rejected_records"
    else:
        source = "(SELECT CAST(NULL AS VARCHAR) AS raw_text) AS none WHERE false"
    con.execute(
        "CREATE OR REPLACE TEMP VIEW rejected_texts AS SELECT text_words(raw_text) AS words "
        f"FROM {source}"
    )


REKEYED = Limit(rows=20, pct=5)  # no publisher corrects so many titles at once


def find_implausible_change(con: Warehouse, diff: Diff, settings: Settings) -> str | None:
    """Return why this change is implausible, or None. A first load has nothing to compare with."""
    if not diff.previous:
        return None
    if settings.cdc_key == "show_id" and (objection := find_renumbered_ids(con, diff)):
        return objection
    c = diff.counts
    counts = {
        "the file deletes": c["delete"],
        "the file inserts": c["insert"] + c["reappear"],
        "the file updates": c["update"],
    }
    return find_exceeded_limit(settings, counts, diff.previous)


def find_exceeded_limit(
    settings: Settings, counts: dict[str, int], titles: int, more: str = ""
) -> str | None:
    """Return which limit of the settings is exceeded, or None.

    `counts` has the words for deleted, inserted and updated titles, in this order -> their number.
    """
    limits = (
        (settings.max_deleted_rows, settings.max_deleted_pct),
        (settings.max_inserted_rows, settings.max_inserted_pct),
        (settings.max_updated_rows, settings.max_updated_pct),
    )
    for (what, count), (rows, pct) in zip(counts.items(), limits, strict=True):
        if Limit(rows, pct).exceeded_by(count, titles):
            return (
                f"{what} {count:,} of {titles:,} titles ({share(count, titles):.1f} %){more}; "
                f"allowed are {rows:,} and {pct:g} %."
            )
    return None


def find_renumbered_ids(con: Warehouse, diff: Diff) -> str | None:
    """Return an objection if many titles came under another id (then no id means anything)."""
    if not REKEYED.exceeded_by(diff.counts["update"] + diff.counts["delete"], diff.previous):
        return None
    rows = fetch_file(con, "history/renumbered_ids.sql", KNOWN)
    if not rows or not REKEYED.exceeded_by(moved := rows[0]["moved_titles"], diff.previous):
        return None
    examples = "".join(
        f"\n  {row['title']!r}: {row['old_key']} is now {row['new_key']}" for row in rows
    )
    return (
        f"show_id was renumbered: {moved:,} of {diff.previous:,} titles came under another "
        f"id. CDC_KEY=title merges such a source by title, type and year.{examples}"
    )
