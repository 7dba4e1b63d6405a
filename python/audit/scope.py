"""Decide how much of the warehouse an audit looks at.

In a chain, a check that found nothing in the last audit looks at what was merged since: its
`-- scope:` line says which rows that are. A digest of the history proves that the versions of then
are as they were. An audit that is asked for looks at everything, and so does a check that found
something, or was changed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from column import Column
from config import SQL, __version__
from contract import Contract
from runner.files import fingerprint
from runner.step import Step
from warehouse.database import (
    Warehouse,
    fetch_file,
    has_tables,
    run_file,
    set_variables,
    table_names,
)

SCOPE = re.compile(r"^-- scope: (begun|touched|version_ids|staged|staged_keys)$", re.MULTILINE)
NARROWED = {  # scope: (what a check reads, what it reads instead)
    "begun": ("analytics_netflix_current", "begun_titles"),
    "touched": ("analytics_netflix_history", "touched_versions"),
    "version_ids": ("analytics_netflix_history", "begun_ids"),
    "staged_keys": ("staging_netflix_titles", "current_keys"),
}
RECORD = ("audited_at", "rules", "merges", "staged", "digest")


@dataclass(frozen=True)
class Scope:
    """What an audit looks at: everything, where no check is clean.

    `state` is what it records; `clean` has a fingerprint of each check that found nothing, by name.
    If `is_still`, nothing was merged since; if `is_changed`, the history is not as it was audited.
    If `is_staged`, staging and current hold the same titles.
    """

    state: dict[str, Any]
    clean: dict[str, str] = field(default_factory=dict)
    is_still: bool = False
    is_changed: bool = False
    is_staged: bool = False

    def narrow(self, path: Path, text: str) -> str:
        """Return the query for the rows that a check has to look at; "" if there are none."""
        match = SCOPE.search(text)
        if not match or self.clean.get(path.stem) != fingerprint([path]):
            return text
        scope = match[1]
        if self.is_still:
            return ""
        if scope in ("staged", "staged_keys") and not self.is_staged:
            return text
        if scope == "staged":
            return ""
        whole, part = NARROWED[scope]
        return re.sub(rf"\b{whole}\b", part, text)


def find_scope(con: Warehouse, contract: Contract, columns: Sequence[Column], full: bool) -> Scope:
    """Compare the history with what the last audit recorded; return what is left to look at.

    Sets the variables of history_as_audited. Other engines, and an audit before the first merge,
    look at everything and record nothing.
    """
    set_variables(con, {"audited_at": datetime.min, "is_history_changed": False})
    needed = {"ops_merges", "staging_counts", *(whole for whole, _ in NARROWED.values())}
    if not (con.has_transactions and needed <= {*table_names(con)}):
        return Scope({})
    record = read_record(con)
    set_variables(con, {"audited_at": record["audited_at"]})
    state = fetch_file(con, "audit/merges.sql")[0] | {"rules": audit_fingerprint(contract)}
    # Ids that move, and columns that are not tracked, or newly, change values of open versions.
    tracks_the_same, keys = state.pop("tracks_the_same"), state.pop("keys_since")
    can_tell = tracks_the_same and keys in (None, "show_id") and not contract.attributes
    follows = (state.pop("merges_then"), state["rules"]) == (record["merges"], record["rules"])
    clean = read_clean_checks(con) if follows and not full else {}
    if clean and all(state[name] == record[name] for name in ("merges", "staged")):
        return Scope(state, clean, is_still=True)
    return compare_digests(con, Scope(state, clean), columns, record if follows else {}, can_tell)


def compare_digests(
    con: Warehouse, scope: Scope, columns: Sequence[Column], record: dict[str, Any], can_tell: bool
) -> Scope:
    """Return the scope with the history's digest; it is all if that differs from the record."""
    run_file(con, "audit/digest.sql", columns=columns)
    now, then = con.execute('SELECT "digest now", "digest then" FROM audit_sums').fetchone()
    scope.state["digest"] = now
    if record and then == record["digest"]:
        if scope.clean:
            run_file(con, "audit/scope.sql")
            return replace(scope, is_staged=is_staged(con, columns))
        return scope
    is_changed = bool(record) and can_tell
    set_variables(con, {"is_history_changed": is_changed})
    return replace(scope, clean={}, is_changed=is_changed)


def is_staged(con: Warehouse, columns: Sequence[Column]) -> bool:
    """Return whether staging holds what current holds; not if it cannot be read: checks say so."""
    try:
        return bool(fetch_file(con, "audit/staged.sql", columns)[0]["is_staged"])
    except duckdb.IOException:  # the warehouse itself is damaged
        raise
    except duckdb.Error:
        return False


def read_record(con: Warehouse) -> dict[str, Any]:
    if not has_tables(con, "audit_record"):
        return dict.fromkeys(RECORD) | {"audited_at": datetime.min}
    row = con.execute(f"SELECT {', '.join(RECORD)} FROM audit_record").fetchone()
    return dict(zip(RECORD, row, strict=True))


def read_clean_checks(con: Warehouse) -> dict[str, str]:
    rows = con.execute("SELECT check_name, check_text FROM audit_clean_checks").fetchall()
    return dict(rows)


def find_verdicts(con: Warehouse) -> dict[str, str]:
    """Return what the last audit said of each check."""
    query = (
        "SELECT check_name, verdict FROM ops_checks "
        "WHERE run_id = (SELECT arg_max(run_id, rowid) FROM ops_checks)"
    )
    return dict(con.execute(query).fetchall())


def record_scope(step: Step, scope: Scope, clean: Sequence[Path]) -> None:
    """Record what was audited, with these checks clean, in the transaction of the run's record.

    A history that was changed outside the pipeline is found again until it is rebuilt.
    """
    if not scope.state or scope.is_changed or scope.is_still:
        return
    texts = {path.stem: fingerprint([path]) for path in clean}
    found = {**scope.state, "clean_checks": [*texts], "clean_texts": [*texts.values()]}
    step.at_end.append(lambda con: run_file(con, "audit/record.sql", found))


def audit_fingerprint(contract: Contract) -> str:
    """Return a fingerprint of what decides on the checks' results, besides their own texts."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    words = f"{sorted(contract.variables.items())}{duckdb.__version__}{__version__}"
    return fingerprint([*own, *sorted((SQL / "audit").glob("*.sql"))], words)
