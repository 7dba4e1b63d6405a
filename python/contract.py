"""Read sql/contract.toml: the columns of the catalogue, and how a file's are bound to them."""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from column import CANONICAL, IDENTITY, NUMBERS, UNITS, Column, check_column, normalise
from errors import SettingsError

KINDS = ("added", "removed", "renamed", "reordered", "retyped")
FIELD, ROW = "\x1f", "\x1e"  # between the parts of a text that SQL splits; in no cleaned value


@dataclass(frozen=True)
class Contract:
    """The checked content of sql/contract.toml."""

    columns: tuple[Column, ...]
    policy: dict[str, str]
    sha256: str
    odd_titles_pct: float

    @property
    def known_names(self) -> set[str]:
        return {name for column in self.columns for name in column.names}

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.key]

    @property
    def tracked(self) -> list[str]:
        return [column.name for column in self.columns if column.tracked]

    @property
    def attributes(self) -> list[str]:
        """The columns whose values change in the open version: neither tracked nor the key."""
        return [c.name for c in self.columns if not c.tracked and c.name not in self.key]

    @property
    def is_adapted(self) -> bool:
        """Whether the publisher writes any value in another form than staging has."""
        return any(c.words or c.brackets or c.separator != "," or c.unit for c in self.columns)

    @property
    def audiences(self) -> str:
        """The ratings, those of the youngest audience first, as analytics/dimensions.sql reads."""
        ratings = self["rating"].audiences
        rows = [(rating, audience) for audience in ratings for rating in ratings[audience]]
        return "".join(
            f"{number}{FIELD}{rating}{FIELD}{audience}{ROW}"
            for number, (rating, audience) in enumerate(rows, 1)
        )

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that the SQL reads with getvariable(), by name."""
        columns, year, duration = self.columns, self["release_year"], self["duration"]
        words = [(column, *pair) for column in columns for pair in column.words.items()]
        variables = {
            "not_null_columns": [column.name for column in columns if not column.nullable],
            "closed_columns": [column.name for column in columns if column.allowed],
            "allowed_values": [f"{column.name}={v}" for column in columns for v in column.allowed],
            "expected_ratings": [r for group in self["rating"].audiences.values() for r in group],
            "expects_ratings": bool(self["rating"].audiences),
            "key_columns": self.key,
            "contract_names": [name for column in columns for name in column.names],
            "value_map": ROW.join(
                ["", *(f"{c.name}={before}{FIELD}{after}" for c, before, after in words), ""]
            ),
            "bracketed_columns": [column.name for column in columns if column.brackets],
            "duration_unit": UNITS.get(duration.unit, ""),
            "earliest_year": year.earliest,
            "years_ahead": year.years_ahead,
        }
        for column in columns:
            if column.type == "list":
                variables[f"separator_{column.name}"] = column.separator
                variables[f"dropped_{column.name}"] = FIELD if column.separator == "," else ","
            if column.type == "date":
                short = [form for form in column.formats if "%y" in form]
                variables[f"formats_{column.name}"] = list(column.formats)
                variables[f"short_formats_{column.name}"] = short or list(column.formats)
            if column.type in NUMBERS:
                least, most = column.range or (None, None)
                variables |= {f"least_{column.name}": least, f"most_{column.name}": most}
        for name in UNITS:
            variables[f"fewest_{name}"], variables[f"most_{name}"] = getattr(duration, name)
        return variables

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def load_contract(path: Path, cdc_key: str = "show_id") -> Contract:
    """Read and check the contract. Raises SettingsError naming the entry that is wrong.

    With `cdc_key` "title" the key's columns are attributes: a file may lack them, and a new value
    makes no version.
    """
    try:
        text = path.read_bytes()
        content = tomllib.loads(text.decode())
        entries = content["columns"]
        columns = tuple(Column(name, **freeze(entry)) for name, entry in entries.items())
        policy = {kind: content["policy"][kind] for kind in KINDS}
        odd_titles_pct = content.get("limits", {}).get("odd_titles_pct", 5)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the contract {path} cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"the contract {path} has an unknown or missing entry: {error}"
        ) from None
    for column in columns:
        check_column(path, column, entries[column.name])
    given = {column.name for column in columns}
    if absent := [name for name in CANONICAL if name not in given]:
        raise SettingsError(
            f"the contract {path} has no column {absent[0]}. If the files lack it, write "
            "`required = false`, but do not leave it out"
        )
    wrong = [kind for kind, value in policy.items() if value not in ("warn", "stop")]
    if wrong:
        raise SettingsError(f"the contract {path}: policy {wrong[0]} must be warn or stop")
    if not isinstance(odd_titles_pct, (int, float)) or not 0 <= odd_titles_pct <= 100:
        raise SettingsError(f"the contract {path}: odd_titles_pct must be a number from 0 to 100")
    names = [name for column in columns for name in column.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"the contract {path}: {twice[0]!r} names two columns")
    contract = Contract(columns, policy, hashlib.sha256(text).hexdigest(), odd_titles_pct)
    if not contract.key:
        raise SettingsError(f"the contract {path}: no column is the key")
    if cdc_key == "title":
        return replace(contract, columns=tuple(map(make_attribute, columns)))
    return contract


def make_attribute(column: Column) -> Column:
    is_id = column.key and column.name not in IDENTITY
    return replace(column, required=False, tracked=False) if is_id else column


def freeze(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a column's properties with tuples for lists, also in tables."""
    return {
        key: tuple(value)
        if isinstance(value, list)
        else freeze(value)
        if isinstance(value, dict)
        else value
        for key, value in entry.items()
    }


def bind(contract: Contract, columns: Sequence[str]) -> dict[str, str | None]:
    """Return canonical name -> the file's column for it, None if there is none.

    A column's own name comes before its aliases, and those in the order of the contract.
    """
    by_name = {normalise(column): column for column in reversed(columns)}
    return {
        column.name: next((by_name[name] for name in column.names if name in by_name), None)
        for column in contract.columns
    }


def tracked_columns(contract: Contract, columns: Sequence[str]) -> list[str]:
    """Return the tracked columns that a file with these columns has, sorted."""
    bound = bind(contract, columns)
    return sorted(name for name in contract.tracked if bound[name])
