"""Check that data folder and warehouse belong together; each step does so before it works.

The warehouse (ops_state) holds number, name and seal of the last record that it knows; so does the
published copy, which counts if there is no warehouse. A data folder without that record is another,
an older or a damaged one: StateError, exit code 40. ACCEPT with the code of that state lets it
pass: what is lost is given up for good, and a decision "adopted" says so.
"""

import hashlib
from contextlib import closing, suppress
from pathlib import Path

import duckdb

from config import Settings
from errors import StateError
from ingest.records import State, append_record, name_file, read_state
from ingest.takeover import take_over_lists
from runner.files import sha256
from runner.log import utc_now
from runner.step import Step
from warehouse.database import Warehouse, connect, has_warehouse, open_warehouse

SHOWN_PROBLEMS = 5
_loaded: tuple[Path, State] | None = None


def loaded_state(settings: Settings) -> State:
    """Return the state as the step found it, and what was recorded since."""
    if not _loaded or _loaded[0] != settings.data_dir:
        return load_state(settings)
    return _loaded[1]


def load_state(settings: Settings) -> State:
    global _loaded
    _loaded = settings.data_dir, (state := read_state(settings))
    return state


def check_state(step: Step, needs_warehouse: bool = True) -> State:
    """Read the state; check that all of it is here and that the warehouse belongs to it.

    Raises StateError if not; with ACCEPT the step goes on with what there is. A rebuild does not
    need a readable warehouse.
    """
    settings = step.settings
    take_over_lists(settings)
    state = load_state(settings)
    lost = find_lost_files(settings, state)
    foreign = find_foreign_seals(step, state, needs_warehouse)
    problems = [*state.problems, *lost, *foreign]
    if problems:
        code = hashlib.sha256("\n".join([*sorted(problems), state.head[2]]).encode()).hexdigest()
        if not (settings.accept and code.startswith(settings.accept)):
            raise StateError(describe_problems(settings, problems, code[:12]))
        step.warn(f"ACCEPT gives up for good: {'; '.join(problems)}")
        give_up(settings, state, problems, sorted(lost.values()), sorted(foreign.values()))
        state = load_state(settings)
    step.at_end.append(lambda con: write_anchor(con, loaded_state(settings)))
    return state


def describe_problems(settings: Settings, problems: list[str], code: str) -> str:
    shown = "".join(f"\n  {text}" for text in problems[:SHOWN_PROBLEMS])
    if len(problems) > SHOWN_PROBLEMS:
        shown += f"\n  and {len(problems) - SHOWN_PROBLEMS:,} more"
    return (
        f"the state in {settings.data_dir} does not fit together.{shown}\n"
        "  Mount the right folder, or restore it from a backup, then: make run-all\n"
        f"  If you cannot, give up what is missing: make run-all ACCEPT={code}"
    )


def give_up(
    settings: Settings, state: State, problems: list[str], batches: list[str], seals: list[str]
) -> None:
    """Record the decision to go on without what is missing, damaged or from another folder."""
    sound = {record.number for record in state.records if record.path.name not in state.damaged}
    entry = {
        "batch_id": None,
        "verdict": "adopted",
        "decided_at": utc_now().isoformat(timespec="seconds"),
        "reason": "; ".join(problems),
        "lost_files": state.damaged,
        "lost_numbers": sorted(set(range(1, state.head[0] + 1)) - sound),
        "lost_batches": batches,
        "lost_seals": seals,
    }
    append_record(state, settings.decisions, "{number:06}-adopted.json", entry)


def find_lost_files(settings: Settings, state: State) -> dict[str, str]:
    """Return what is wrong -> batch id, for Parquet files that are missing or were changed.

    Only sizes are compared, which costs nothing. The digests of the newest file and a few others
    are checked each night, all of them by `make verify`.
    """
    sizes, wrong = state.sizes, {}
    for batch in (record.fields for record in state.records if "parquet" in record.fields):
        for kind in ("parquet", "rejects"):
            file, size = batch[kind], batch[f"{kind}_bytes"]
            if not file or sizes.get(file, -1) == size or is_given_up(state, batch["batch_id"]):
                continue
            path = settings.snapshots / file
            if file not in sizes:
                wrong[f"{name_file(settings, path)} is missing"] = batch["batch_id"]
            elif size is not None or sha256(path) != batch[f"{kind}_sha256"]:
                wrong[f"{name_file(settings, path)} is damaged"] = batch["batch_id"]
    return wrong


def is_given_up(state: State, batch_id: str) -> bool:
    decision = state.find_decision(batch_id)
    return decision is not None and decision["verdict"] == "lost"


def find_foreign_seals(step: Step, state: State, needs_warehouse: bool) -> dict[str, str]:
    """Return what is wrong -> seal, for records that the database knows and the folder lacks."""
    known = {record.seal for record in state.records} | state.lost_seals
    known |= {record.fields["batch_id"] for record in state.records}
    where, anchors = read_anchors(step, needs_warehouse)
    return {
        f"{name}, number {number:,} of the records that {where} knows, is not here": seal
        for number, name, seal in anchors
        if seal not in known
    }


def read_anchors(step: Step, needs_warehouse: bool) -> tuple[object, list[tuple[int, str, str]]]:
    """Return which database knows a last record, and its number, name and seal; [] if none does."""
    settings, copy = step.settings, step.settings.published / "netflix.duckdb"
    if step.con and (anchors := query_anchors(step.con)):
        return settings.warehouse_path, anchors
    if not step.con and has_warehouse(settings):
        try:
            with closing(open_warehouse(settings, read_only=True)) as con:
                if anchors := query_anchors(con):
                    return settings.warehouse_path, anchors
        except (StateError, duckdb.Error):
            if needs_warehouse:
                raise
    if copy.exists():
        with (
            suppress(StateError, duckdb.Error),  # a damaged copy will be republished
            closing(connect(copy, settings, read_only=True)) as con,
        ):
            return copy, query_anchors(con)
    return "", []


def query_anchors(con: Warehouse) -> list[tuple[int, str, str]]:
    """Return the row of ops_state; a warehouse from before there were records has its merges."""
    tables = {name for name, _ in con.objects()}
    rows = []
    if "ops_state" in tables:
        rows = con.execute("SELECT record_number, record_name, seal FROM ops_state").fetchall()
    if not rows and "ops_merges" in tables:
        merged = con.execute("SELECT batch_id FROM ops_merges ORDER BY snapshot_at").fetchall()
        rows = [(at, f"{batch}.json", batch) for at, (batch,) in enumerate(merged, 1)]
    return rows


def write_anchor(con: Warehouse, state: State) -> None:
    """Store number, name and seal of the last record in the warehouse."""
    stored = con.execute("SELECT record_number, record_name, seal FROM ops_state").fetchall()
    if state.records and stored != [state.head]:
        con.execute("DELETE FROM ops_state")
        con.execute("INSERT INTO ops_state VALUES (?, ?, ?)", list(state.head))
