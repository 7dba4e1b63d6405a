"""Judge an edit of the contract by what the replay of the history changes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

from column import Column
from config import Settings
from contract import Contract, bind
from errors import Refused
from history.diff import find_exceeded_limit
from ingest.decisions import write_decision
from ingest.manifest import Batch
from ingest.state import loaded_state
from runner.step import Step
from warehouse.columns import choose_columns, column_names, stored_columns
from warehouse.database import Warehouse, fetch_file, identifier, run_file, set_variables

SQL_RULES = 1  # raise it if a change of the SQL makes other values from the same contract
SAYS_NOTHING_OF_VALUES = {  # but of what is bound, refused, checked or explained
    *("columns", "policy", "sha256", "odd_titles_pct"),
    *("aliases", "required", "minutes", "seasons", "audiences", "description"),
}


def contract_fingerprint(contract: Contract, columns: Sequence[str]) -> str:
    """Return a digest of all that decides on the values of a file with these columns.

    An alias counts if a column is bound by it, any other property if it is not the default.
    """
    rules: list[Any] = [SQL_RULES, contract.key, sorted(bind(contract, columns).items())]
    for part in (contract, *sorted(contract.columns, key=lambda column: column.name)):
        for entry in fields(cast(Contract | Column, part)):
            make: Any = entry.default_factory
            default = entry.default if make is MISSING else make()
            value = getattr(part, entry.name)
            if entry.name not in SAYS_NOTHING_OF_VALUES and value != default:
                rules.append([entry.name, value])
    text = json.dumps(rules, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class EditDiff:
    """What the replay changes in the catalogue, at the time of the last merged snapshot."""

    titles: int
    inserted: int
    updated: int
    deleted: int
    versions_before: int
    versions: int
    columns: dict[str, int]  # column -> titles with another value
    added: dict[str, int]  # column that the history did not have -> titles with a value
    removed: dict[str, int]  # column that the contract no longer has -> titles that had a value

    def __str__(self) -> str:
        return (
            f"+{self.inserted:,} ~{self.updated:,} -{self.deleted:,} of {self.titles:,} titles, "
            f"{self.versions_before:,} versions become {self.versions:,}"
        )


def keep_titles(con: Warehouse, settings: Settings, contract: Contract) -> None:
    """Keep a copy of the catalogue, to compare it with the one after the replay.

    Raises Refused on an engine that cannot undo the replay, unless the edit is accepted.
    """
    if not (con.has_transactions or is_edit_accepted(settings, contract)):
        raise Refused(
            "the contract was edited, and this engine cannot undo a replay of the history: "
            f"{name_commands(contract)}"
        )
    kept_at = con.execute("SELECT max(snapshot_at) FROM ops_merges").fetchone()[0]
    set_variables(con, {"kept_at": kept_at})
    columns = choose_columns(con, "analytics_netflix_current", stored_columns(con))
    run_file(con, "history/keep_titles.sql", columns=columns)


def compare_titles(con: Warehouse, contract: Contract) -> EditDiff:
    before, now = column_names(con, "titles_before"), [column.name for column in contract.columns]
    known = [c for c in contract.columns if c.name in before and not c.key]
    counts = fetch_file(con, "history/compare_titles.sql", known)[0]
    changed = {c.name: count for c in known if (count := counts.pop(f"{c.name} changed"))}
    came = [name for name in now if name not in before]
    gone = [name for name in before if name not in (*now, "title_id")]
    return EditDiff(
        **counts,
        columns=changed,
        added=count_values(con, "analytics_netflix_current", came),
        removed=count_values(con, "titles_before", gone),
    )


def count_values(con: Warehouse, table: str, columns: list[str]) -> dict[str, int]:
    """How many titles have a value in each of these columns."""
    counts = ", ".join(f"count({identifier(name)})" for name in columns)
    row = con.execute(f"SELECT {counts} FROM {identifier(table)}").fetchone() if columns else ()
    return dict(zip(columns, row, strict=True))


def find_objection(diff: EditDiff, settings: Settings, edit: str) -> str | None:
    """Return why the guard finds the edit's effect implausible, or None."""
    replay = f"{edit}; a replay of the history"
    counts = {
        f"{replay} deletes": diff.deleted,
        f"{replay} inserts": diff.inserted,
        f"{replay} changes": diff.updated,
    }
    columns = "".join(f", {name} of {titles:,}" for name, titles in diff.columns.items())
    return find_exceeded_limit(settings, counts, diff.titles, columns)


def judge_edit(step: Step, con: Warehouse, contract: Contract, edit: str) -> None:
    """Record that the edit passed. Raises Refused if the guard objects and nobody accepted it."""
    settings, diff = step.settings, compare_titles(con, contract)
    objection = find_objection(diff, settings, edit)
    if objection and not is_edit_accepted(settings, contract):
        raise Refused(f"{objection}\n  {name_commands(contract)}")
    used = con.execute("SELECT DISTINCT contract FROM ops_merges ORDER BY contract").fetchall()
    verdict = "accepted" if objection else "passed"
    more = {"contracts": [fingerprint for (fingerprint,) in used]}
    write_decision(settings, name_edit(contract), verdict, objection or f"{edit}: {diff}", more)
    step.note(f"{edit}: the history was replayed, {diff}")
    for name, titles in diff.added.items():
        step.note(f"column {name} is new: {titles:,} titles have a value")
    for name, titles in diff.removed.items():
        step.warn(
            f"column {name} is not in the contract now: the history has lost its values, those of "
            f"{titles:,} titles among them. If it was not meant: put its entry back; the next run "
            "takes them from the snapshots"
        )


def require_judged_contract(settings: Settings, contract: Contract, batches: list[Batch]) -> None:
    """Raise Refused if the contract was edited since the last night and nobody accepted it.

    Only a night can judge an edit: it has the history from before it.
    """
    judged = loaded_state(settings).contracts
    used = {contract_fingerprint(contract, batch.columns) for batch in batches}
    if not judged or used <= judged:
        return
    if not is_edit_accepted(settings, contract):
        raise Refused(
            "the contract was edited since the last night, and the edit was not judged yet. "
            f"{name_commands(contract)}"
        )
    more = {"contracts": sorted(used)}
    write_decision(settings, name_edit(contract), "accepted", "at a rebuild", more)


def name_edit(contract: Contract) -> str:
    return f"contract-{contract.sha256[:12]}"


def is_edit_accepted(settings: Settings, contract: Contract) -> bool:
    """Return whether a person accepted this edit, with ACCEPT now or earlier."""
    if settings.accept and contract.sha256.startswith(settings.accept):
        return True
    decision = loaded_state(settings).find_decision(name_edit(contract))
    return decision is not None and decision["verdict"] == "accepted"


def name_commands(contract: Contract) -> str:
    return (
        "See it with `make plan`; if it is right: "
        f"make run-all ACCEPT={contract.sha256[:12]}. If not: put the contract back."
    )
