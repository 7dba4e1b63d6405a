"""sql/contract.toml: the columns the catalogue must have, and how a file's are bound to them."""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import SettingsError

TYPES = ("text", "list", "date", "year", "duration")
CANONICAL = (  # what sql/staging.sql makes
    "show_id", "type", "title", "director", "cast", "country", "date_added", "release_year",
    "rating", "duration", "listed_in", "description",
)  # fmt: skip
KINDS = ("added", "removed", "renamed", "reordered", "retyped")


def normalise(name: str) -> str:
    """A column name as names are compared: case, blanks and underscores make no difference."""
    return re.sub(r"[\s_]+", "_", name.strip().casefold())


@dataclass(frozen=True)
class Column:
    """One canonical column; sql/contract.toml says what each property means."""

    name: str
    type: str
    required: bool = False
    key: bool = False
    nullable: bool = True
    tracked: bool = True
    allowed: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All names it may come under, its own first, as `normalised` gives them."""
        return [normalise(name) for name in (self.name, *self.aliases)]


@dataclass(frozen=True)
class Contract:
    columns: tuple[Column, ...]
    policy: dict[str, str]
    sha256: str

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
    def variables(self) -> dict[str, list[str]]:
        """What the SQL reads of the contract with getvariable(), by name."""
        columns = self.columns
        return {
            "list_columns": [column.name for column in columns if column.type == "list"],
            "not_null_columns": [column.name for column in columns if not column.nullable],
            "closed_columns": [column.name for column in columns if column.allowed],
            "allowed_values": [f"{column.name}={v}" for column in columns for v in column.allowed],
            "key_columns": self.key,
        }


def load_contract(path: Path) -> Contract:
    """Read and check the contract. Raises SettingsError naming the entry that is wrong."""
    try:
        text = path.read_bytes()
        content = tomllib.loads(text.decode())
        columns = tuple(
            Column(
                name,
                **{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()},
            )
            for name, entry in content["columns"].items()
        )
        policy = {kind: content["policy"][kind] for kind in KINDS}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the contract {path} cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"the contract {path} has an unknown or missing entry: {error}"
        ) from None
    for column in columns:
        if column.type not in TYPES:
            raise SettingsError(
                f"the contract {path}: type of {column.name} is {column.type!r}; "
                f"allowed is {', '.join(TYPES)}"
            )
        for entry in ("required", "key", "nullable", "tracked"):
            if not isinstance(getattr(column, entry), bool):
                raise SettingsError(
                    f"the contract {path}: {entry} of {column.name} must be true or false"
                )
        for entry in ("allowed", "aliases"):
            texts = getattr(column, entry)
            if not isinstance(texts, tuple) or not all(
                isinstance(text, str) and text.strip() for text in texts
            ):
                raise SettingsError(
                    f"the contract {path}: {entry} of {column.name} must be a list of names in "
                    'quotes, like ["one", "two"]'
                )
    given = {column.name for column in columns}
    if absent := [name for name in CANONICAL if name not in given]:
        raise SettingsError(
            f"the contract {path} has no column {absent[0]}; one that the files lack may be "
            "`required = false`, but not left out"
        )
    if foreign := sorted(given - set(CANONICAL)):
        raise SettingsError(
            f"the contract {path} has a column {foreign[0]} that sql/staging.sql does "
            "not make; another name for a column goes into its aliases"
        )
    wrong = [kind for kind, value in policy.items() if value not in ("warn", "stop")]
    if wrong:
        raise SettingsError(f"the contract {path}: policy {wrong[0]} must be warn or stop")
    names = [name for column in columns for name in column.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"the contract {path}: {twice[0]!r} names two columns")
    contract = Contract(columns, policy, hashlib.sha256(text).hexdigest())
    if not contract.key:
        raise SettingsError(f"the contract {path}: no column is the key")
    return contract


def bind(contract: Contract, columns: Sequence[str]) -> dict[str, str | None]:
    """Canonical name -> the file's column that carries it, or None where there is none.

    A column's own name goes before its aliases, and those in the order of the contract.
    """
    found = {normalise(column): column for column in reversed(columns)}
    return {
        column.name: next((found[name] for name in column.names if name in found), None)
        for column in contract.columns
    }


def tracked_columns(contract: Contract, columns: Sequence[str]) -> list[str]:
    """Return the tracked columns, sorted, that a file with these columns has."""
    bound = bind(contract, columns)
    return sorted(name for name in contract.tracked if bound[name])
