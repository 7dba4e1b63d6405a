"""Replay all raw snapshots into a fresh warehouse and swap it in; or check that nothing differs.

Reads:   the records, all snapshots; run records and merged snapshots of the live warehouse
Writes:  the warehouse, in one rename
Fails when: nothing was landed yet (exit 2), a snapshot that was never judged is refused, or an edit
         of the contract was not judged yet (exit 20), the state does not fit together (exit 40)

`--verify` replays into a scratch file, compares it with the live warehouse table by table, and
writes nothing. It exits with 30 if they differ, with 2 if nothing was merged yet.

Example: python python/10_rebuild_warehouse.py --verify    or    make verify
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from analytics.star_schema import TABLES, build_star_schema, find_built, read_history_state
from contract import load_contract
from errors import NotReady, QualityError
from history.contract_edit import require_judged_contract
from history.merge import merge_pending
from history.pending import Pending, find_pending
from history.tables import create_tables
from ingest.decisions import find_verdict
from ingest.manifest import KINDS, landed_batches, verify_snapshot
from runner.console import PLAIN, RED, plural, say
from runner.files import sync
from runner.options import read_flags
from runner.step import Step, make_ops_tables, run_step
from staging.files import keep_staging, use_attached
from warehouse.database import (
    Warehouse,
    connect,
    describe_lock,
    has_tables,
    literal,
    require_duckdb,
    transaction,
)
from warehouse.places import find_log, find_staging, remove_warehouse

OPS_TABLES = ("ops_runs", "ops_schema_changes")
COMPARED = (
    *("analytics_netflix_history", "analytics_netflix_current", "cdc_netflix_changes"),
    *("ops_merges", "ops_ambiguous_matches"),
)


def rebuild(step: Step) -> None:
    require_duckdb(
        step.settings,
        "make rebuild",
        "Rebuild with WAREHOUSE=duckdb, then move that: make migrate TO=...",
    )
    live = step.settings.warehouse_path
    home = live.resolve()  # where the file is, if `live` is a link to it
    fresh = home.with_name(f".{home.name}.rebuild.tmp")
    try:
        count = replay_into(step, fresh, keep_records=True)
        for leftover in (find_log(live), find_log(fresh)):
            leftover.unlink(missing_ok=True)
        sync(fresh)
        fresh.replace(home)
        sync(home.parent)
    finally:
        fresh.unlink(missing_ok=True)
    step.message = f"history of {plural(count, 'snapshot')} replayed; {live.name} swapped in"


def verify(step: Step) -> None:
    require_duckdb(step.settings, "make verify", "make migrate compares the two when it moves one.")
    live = step.settings.warehouse_path
    if not live.exists():
        raise NotReady(
            f"there is no warehouse {live} to verify; run `make run-all` or `make rebuild`"
        )
    contract = load_contract(step.settings.contract_path)
    with closing(connect(live, step.settings, read_only=True)) as con:
        if not has_tables(con, "ops_merges"):
            raise NotReady("nothing was merged yet to be verified; run `make run-all` first")
        star = TABLES if find_built(con, read_history_state(con, contract)) else ()
    home = live.resolve()
    scratch = home.with_name(f".{home.name}.verify.tmp")
    try:
        count = replay_into(step, scratch, keep_records=False)
        if star:
            with closing(connect(scratch, step.settings)) as con:
                build_star_schema(con, contract.audiences, contract.columns)
                con.execute("CHECKPOINT")
        different = compare(step, live, scratch, star)
    finally:
        remove_warehouse(scratch)
    if different:
        raise QualityError(
            f"{', '.join(different)} differ(s) from a replay of the {count} raw snapshots. "
            "The raw layer is the truth; `make rebuild` restores the warehouse from it."
        )
    step.message = f"equal to a replay of {plural(count, 'snapshot')}"


def replay_into(step: Step, target: Path, keep_records: bool) -> int:
    """Build a warehouse in a new file from the raw snapshots; return how many were merged."""
    settings, live = step.settings, step.settings.warehouse_path
    batches = landed_batches(step, needs_warehouse=False)
    for batch in [] if keep_records else batches:  # also files that the replay does not read
        for kind in KINDS:
            if getattr(batch, kind):
                verify_snapshot(settings.snapshots, batch, kind)
    contract = load_contract(settings.contract_path, settings.cdc_key)
    target.unlink(missing_ok=True)
    con = connect(target, settings, [settings.snapshots, live.parent, target.parent])
    if keep_records:
        con.staging = find_staging(live)
    try:
        with transaction(con):
            make_ops_tables(con)
            create_tables(con, contract.columns)
        merged_ids = take_over(step, con, keep_records)
        with transaction(con), keep_staging(con, contract.columns):
            pending = find_pending(con, batches, settings, contract)
            merged = [b for b in batches if b.batch_id in merged_ids]  # the rest are for step 06
            key = settings.cdc_key
            todo = [b for b in pending.todo if find_verdict(settings, b, key) != "refused"]
            pending = Pending(merged or todo, pending.judged | merged_ids)
            judged = [b for b in pending.todo if find_verdict(settings, b, key) == "passed"]
            require_judged_contract(settings, contract, judged)
            merges = merge_pending(step, con, batches, contract, pending, dry_run=not keep_records)
        con.execute("CHECKPOINT")
    finally:
        con.close()
    step.batch_id, step.rows_in = batches[-1].batch_id, sum(diff.staged for _, diff in merges)
    return len(merges)


def take_over(step: Step, con: Warehouse, keep_records: bool) -> set[str]:
    """Return the batches that the live warehouse merged; `keep_records` copies its run records."""
    live = step.settings.warehouse_path
    if not live.exists():
        return set()
    try:
        con.execute(f"ATTACH {literal(live)} AS live (READ_ONLY)")
        rows = con.execute(
            "SELECT batch_id FROM live.ops_merges WHERE cdc_key = ?", [step.settings.cdc_key]
        ).fetchall()
        with transaction(con):
            for table in OPS_TABLES if keep_records else ():
                con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM live.{table}")
    except duckdb.Error as error:
        if held := describe_lock(live, error):
            raise held from None
        step.warn(
            f"the live warehouse cannot be read ({str(error).splitlines()[0]}); its run records "
            "are lost"
        )
        return set()
    finally:
        con.execute("DETACH DATABASE IF EXISTS live")  # its tables would be found as the new ones
    return {batch_id for (batch_id,) in rows}


def compare(step: Step, live: Path, scratch: Path, star: Sequence[str]) -> list[str]:
    """Print a line per table; return the tables whose content differs."""
    con = connect(":memory:", step.settings, [live.parent, scratch.parent])
    con.execute(f"ATTACH {literal(live)} AS live (READ_ONLY)")
    con.execute(f"ATTACH {literal(scratch)} AS replayed (READ_ONLY)")
    staged = "SELECT batch_id FROM {}.staging_counts"
    newer = con.execute(f"{staged.format('live')} EXCEPT {staged.format('replayed')}").fetchone()
    different = []
    for table in (*COMPARED, *([] if newer else ["staging_netflix_titles"]), *star):
        sums = {}
        for side, path in (("live", live), ("replayed", scratch)):
            use_attached(con, side, path)  # views name their tables without the file
            try:
                sums[side] = con.execute(
                    f"SELECT count(*), sum(CAST(hash(content) AS HUGEINT)) FROM {table} AS content"
                ).fetchone()
            except duckdb.CatalogException:
                sums[side] = (0, None)
        equal = sums["live"] == sums["replayed"]
        counts = f"{sums['live'][0]:>11,} live {sums['replayed'][0]:>11,} replayed"
        say(f"  {table:<28}{counts}  {'equal' if equal else 'DIFFERENT'}", PLAIN if equal else RED)
        if not equal:
            different.append(table)
    con.close()
    return different


def main() -> int:
    if read_flags(__doc__, verify="compare only, write nothing").verify:
        return run_step("verify", verify, warehouse=False)
    return run_step("rebuild", rebuild, warehouse=False)


if __name__ == "__main__":
    sys.exit(main())
