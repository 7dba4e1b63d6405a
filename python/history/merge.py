"""The history merge: one snapshot after the other, each judged, counted and proven.

The history is a function of the snapshots (and of the recorded decisions) alone: a snapshot that
comes late, or a change of CDC_KEY, replays all of them in their order, in one transaction.
"""

from duckdb import DuckDBPyConnection

from config import Settings
from contract import Contract, bind
from errors import Refused, StepError
from history.diff import OPERATIONS, Diff, find_changes
from history.guard import find_implausible_change
from ingest import decisions
from ingest.decisions import accepts
from ingest.manifest import Batch, verify_file
from runner.step import Step
from staging.build import build_staging, check_staging_limits, find_staged
from staging.raw_view import bind_columns, load_raw
from warehouse.sql import fetch_file, run_file


def create_tables(con: DuckDBPyConnection) -> None:
    """The history's tables, views and macros."""
    run_file(con, "history/tables.sql")
    if not con.has_transactions:  # no transaction held the merge together that a run died in
        run_file(
            con,
            "history/undo_partial.sql",
            {"merged_batches": [name for name, _ in merged_batches(con)]},
        )


def merged_batches(con: DuckDBPyConnection) -> list[tuple[str, str]]:
    """(batch id, CDC_KEY it was merged by) in snapshot order."""
    return con.execute("SELECT batch_id, cdc_key FROM ops_merges ORDER BY snapshot_at").fetchall()


def find_pending(
    con: DuckDBPyConnection, batches: list[Batch], settings: Settings
) -> tuple[list[Batch], bool]:
    """The snapshots to merge, in order, and whether the history must be begun anew for that.

    A refused snapshot is left out, unless it is the newest: that one is judged again, since the
    contract or the settings may have been mended, and unless ACCEPT names it.
    """
    verdicts = decisions.latest_decisions(settings.decisions, settings.cdc_key)
    eligible = [
        batch
        for batch in batches
        if verdicts.get(batch.batch_id) != "refused"
        or batch is batches[-1]
        or accepts(settings, batch)
    ]
    done = merged_batches(con)
    fits = all(key == settings.cdc_key for _, key in done)
    if fits and [name for name, _ in done] == [b.batch_id for b in eligible[: len(done)]]:
        return eligible[len(done) :], False
    return eligible, True


def clear_history(con: DuckDBPyConnection) -> None:
    """Empty the history, to build it anew in the same transaction.

    Its records go first: a history without them is undone by the next run.
    """
    for table in ("ops_merges", "analytics_netflix_history", "ops_ambiguous_matches"):
        con.execute(f"DELETE FROM {table}")


def merge_pending(
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
        as_staged = len(todo) == 1 and find_staged(con, batch, contract)
        if not as_staged:
            load_raw(con, batch, settings)
        if batch.rejects:
            verify_file(settings.snapshots / batch.rejects, batch.rejects_sha256)
        try:
            if as_staged:
                found = merge_batch(con, batch, settings, contract, judge)
            else:
                found = stage_and_merge(con, batch, settings, contract, judge)
        except Refused as error:
            if not judge:
                raise
            decisions.record_decision(path, batch, "refused", str(error), key)
            if newest:
                raise
            step.warn(f"snapshot {batch.batch_id} is left out of the history: {error}")
            continue
        if "refused" in {
            decisions.latest_decisions(path, by).get(batch.batch_id) for by in (None, key)
        }:
            decisions.record_decision(path, batch, "passed", "judged again, and sound now", key)
        results.append((batch, found))
    return results


def stage_and_merge(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract, judge: bool
) -> Diff:
    """Stage and merge the snapshot that raw holds; with `judge` within the limits only."""
    bind_columns(con, batch, contract)
    books = build_staging(con, batch, contract)
    if judge:
        check_staging_limits(con, batch, books, settings)
    return merge_batch(con, batch, settings, contract, judge)


def merge_batch(
    con: DuckDBPyConnection, batch: Batch, settings: Settings, contract: Contract, judge: bool
) -> Diff:
    """Merge the staged snapshot into the history and prove the result.

    Raises Refused where the guard stops it (with `judge`) or an invariant does not hold.
    """
    found = find_changes(con, batch, settings, contract)
    verdict = find_implausible_change(con, found, settings) if judge else None
    if verdict and not accepts(settings, batch, verdict):
        raise Refused(
            f"{verdict}\n  Nothing was changed. See it with `make plan`; if it is right: "
            f"make run-all ACCEPT={batch.source_sha256[:12]}"
        )
    run_file(con, "history/merge.sql")
    books = fetch_file(con, "history/verify.sql")[0]
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
            decisions.latest_decisions(settings.decisions).get(batch.batch_id) == "accepted",
        ],
    )
    return found
