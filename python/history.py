"""The history merge: one snapshot after the other, each judged, booked and proven.

The history is a function of the snapshots (and of the recorded decisions) alone: a snapshot that
comes late, or a change of CDC_KEY, replays all of them in their order, in one transaction.
"""

from dataclasses import dataclass

import decisions
from config import Settings
from contract import Contract, bind
from engine import DuckDBPyConnection
from errors import Refused, StepError
from layers import accepts, bind_columns, check_books, load_raw, stage, staged_already
from manifest import Batch, verified_file
from steps import Step
from warehouse import fetch_sql, is_duckdb, run_sql, set_variables, show_parquet

REKEYED_ROWS, REKEYED_PCT = 20, 5  # both exceeded: no publisher corrects that many titles at once
OPERATIONS = ("insert", "reappear", "update", "delete", "fill", "carry")


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


EXTRA = (("reappear", "reappeared"), ("fill", "filled"), ("carry", "kept though unreadable"))


def prepare(con: DuckDBPyConnection) -> None:
    """The history's tables, views and macros."""
    run_sql(con, "cdc_tables.sql")
    if not is_duckdb(con):  # no transaction held the merge together that a run died in
        run_sql(con, "cdc_undo.sql", {"merged_batches": [name for name, _ in merged(con)]})


def merged(con: DuckDBPyConnection) -> list[tuple[str, str]]:
    """(batch id, CDC_KEY it was merged by) in snapshot order."""
    return con.execute("SELECT batch_id, cdc_key FROM ops_merges ORDER BY snapshot_at").fetchall()


def pending(
    con: DuckDBPyConnection, batches: list[Batch], settings: Settings
) -> tuple[list[Batch], bool]:
    """The snapshots to merge, in order, and whether the history must be begun anew for that.

    A refused snapshot is left out, unless it is the newest: that one is judged again, since the
    contract or the settings may have been mended, and unless ACCEPT names it.
    """
    verdicts = decisions.read(settings.decisions, settings.cdc_key)
    eligible = [
        batch
        for batch in batches
        if verdicts.get(batch.batch_id) != "refused"
        or batch is batches[-1]
        or accepts(settings, batch)
    ]
    done = merged(con)
    fits = all(key == settings.cdc_key for _, key in done)
    if fits and [name for name, _ in done] == [b.batch_id for b in eligible[: len(done)]]:
        return eligible[len(done) :], False
    return eligible, True


def forget(con: DuckDBPyConnection) -> None:
    """Empty the history, to build it anew in the same transaction.

    Its records go first: a history without them is undone by the next run.
    """
    for table in ("ops_merges", "analytics_netflix_history", "ops_ambiguous_matches"):
        con.execute(f"DELETE FROM {table}")


def replay(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract, judge: bool
) -> Diff:
    """Stage and merge the snapshot that raw holds; with `judge` within the limits only."""
    bind_columns(con, batch, contract)
    books = stage(con, batch, contract)
    if judge:
        check_books(con, batch, books, settings)
    return merge(con, batch, settings, contract, judge)


def diff(con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract) -> Diff:
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
    run_sql(con, f"cdc_key_{settings.cdc_key}.sql")
    run_sql(con, "cdc_diff.sql")
    found = {row["operation"]: row for row in fetch_sql(con, "cdc_counts.sql")}
    staged = con.execute("SELECT count(*) FROM staging_netflix_titles").fetchone()[0]
    counts = {name: found[name]["titles"] if name in found else 0 for name in OPERATIONS}
    content = found["update"]["content_changed"] if "update" in found else 0
    return Diff(before[1] if before else 0, staged, counts, content)


def show_rejects(con: DuckDBPyConnection, batch: Batch, settings: Settings) -> None:
    """The words of the batch's rejected records, as the temp view rejected_texts."""
    if batch.rejects:
        path = verified_file(settings.snapshots / batch.rejects, batch.rejects_sha256)
        show_parquet(con, "rejected_records", path, temporary=True)
        source = "rejected_records"
    else:
        source = "(SELECT CAST(NULL AS VARCHAR) AS raw_text) AS none WHERE false"
    con.execute(
        "CREATE OR REPLACE TEMP VIEW rejected_texts AS SELECT string_split(regexp_replace("
        "trim(raw_text), ' *[,;|\"\\t\\r\\n] *', chr(31), 'g'), chr(31)) AS words "
        f"FROM {source}"
    )


def merge(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract, judge: bool
) -> Diff:
    """Merge the staged snapshot into the history and prove the result.

    Raises Refused where the guard stops it (with `judge`) or an invariant does not hold.
    """
    found = diff(con, batch, settings, contract)
    verdict = guard(con, found, settings) if judge else None
    if verdict and not accepts(settings, batch, verdict):
        raise Refused(
            f"{verdict}\n  Nothing was changed. See it with `make plan`; if it is right: "
            f"make run-all ACCEPT={batch.source_sha256[:12]}"
        )
    run_sql(con, "cdc_merge.sql")
    books = fetch_sql(con, "cdc_books.sql")[0]
    current, carried = books.pop("current_rows"), books.pop("carried_rows")
    c = found.counts
    books["previous_plus_inserted_minus_deleted_is_current"] = current - (
        found.previous + c["insert"] + c["reappear"] - c["delete"]
    )
    broken = [name for name, value in books.items() if value]
    if broken or carried != c["carry"]:
        raise StepError(
            f"the merge of {batch.batch_id} breaks an invariant ({', '.join(broken)}); "
            "nothing was changed. This is a defect: please report it with this line."
        )
    tracked = sorted(
        set(contract.tracked) & {n for n, s in bind(contract, batch.columns).items() if s}
    )
    unchanged = current - sum(c[name] for name in OPERATIONS if name != "delete")
    con.execute(
        "INSERT INTO ops_merges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            batch.batch_id,
            batch.snapshot_at,
            settings.cdc_key,
            " ".join(tracked),
            found.previous,
            c["insert"],
            c["reappear"],
            c["update"],
            c["delete"],
            unchanged,
            c["fill"],
            c["carry"],
            current,
            decisions.read(settings.decisions).get(batch.batch_id) == "accepted",
        ],
    )
    return found


def guard(con: DuckDBPyConnection, found: Diff, settings: Settings) -> str | None:
    """Why this change is implausible, or None. There is nothing to compare a first load with."""
    if not found.previous:
        return None
    if settings.cdc_key == "show_id" and (verdict := rekeyed(con, found)):
        return verdict
    counts = found.counts
    for what, count, rows, pct in (
        (
            "deletes",
            counts["delete"],
            settings.max_deleted_rows,
            settings.max_deleted_pct,
        ),
        (
            "inserts",
            counts["insert"] + counts["reappear"],
            settings.max_inserted_rows,
            settings.max_inserted_pct,
        ),
        ("updates", found.updated_content, settings.max_updated_rows, settings.max_updated_pct),
    ):
        share = 100 * count / found.previous
        if count > rows and share > pct:
            return (
                f"the file {what} {count:,} of {found.previous:,} titles ({share:.1f} %); allowed "
                f"are {rows:,} and {pct:g} %."
            )
    return None


def rekeyed(con: DuckDBPyConnection, found: Diff) -> str | None:
    """Whether many titles are there under another key than before: then no key means anything."""

    def many(titles: int) -> bool:
        return titles > REKEYED_ROWS and 100 * titles > REKEYED_PCT * found.previous

    if not many(found.counts["update"] + found.counts["delete"]):
        return None
    rows = fetch_sql(con, "guard_rekeyed.sql")
    if not rows or not many(moved := rows[0]["moved_titles"]):
        return None
    examples = "".join(
        f"\n  {row['title']!r}: {row['old_key']} is now {row['new_key']}" for row in rows
    )
    return (
        f"show_id was renumbered: {moved:,} of {found.previous:,} titles are there under another "
        f"id. CDC_KEY=title merges such a source by title, type and year.{examples}"
    )


def catch_up(
    step: Step,
    con: DuckDBPyConnection,
    batches: list[Batch],
    contract: Contract,
    todo: list[Batch],
    known: set[str],
) -> list[tuple[Batch, Diff]]:
    """Merge all of `todo` in order. What is refused is left out, unless it is the newest.

    `known` are the batches that were merged before: they pass unjudged, they were judged then.
    Raises Refused where the newest is refused, and where a snapshot cannot be read or a known one
    no longer be merged: that is no verdict on it, and without it the history would be another.
    """
    settings = step.settings
    path, key = settings.decisions, settings.cdc_key
    results = []
    for batch in todo:
        judge = batch.batch_id not in known
        newest = batch is batches[-1]
        as_staged = len(todo) == 1 and staged_already(con, batch, contract)
        if not as_staged:
            load_raw(con, batch, settings)
        if batch.rejects:
            verified_file(settings.snapshots / batch.rejects, batch.rejects_sha256)
        try:
            if as_staged:
                found = merge(con, batch, settings, contract, judge)
            else:
                found = replay(con, batch, settings, contract, judge)
        except Refused as error:
            if not judge:
                raise
            decisions.decide(path, batch, "refused", str(error), key)
            if newest:
                raise
            step.warn(f"snapshot {batch.batch_id} is left out of the history: {error}")
            continue
        if "refused" in {decisions.read(path, by).get(batch.batch_id) for by in (None, key)}:
            decisions.decide(path, batch, "passed", "judged again, and sound now", key)
        results.append((batch, found))
    return results
