"""sql/contract.toml: the columns the catalogue must have, and how a file's are bound to them."""

import hashlib
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from errors import SettingsError

TYPES = ("text", "list", "date", "year", "duration")
UNITS = {"minutes": "min", "seasons": "Seasons"}  # what a bare number is called
CANONICAL = (  # what sql/staging.sql makes
    "show_id", "type", "title", "director", "cast", "country", "date_added", "release_year",
    "rating", "duration", "listed_in", "description",
)  # fmt: skip
OF_TYPE = {"date_added": "date", "release_year": "year", "duration": "duration"}  # and so typed
KINDS = ("added", "removed", "renamed", "reordered", "retyped")
# Dates of which every part has one meaning only. Tried in this order: the most frequent one first.
FORMATS = (
    *("%B %d, %Y", "%Y-%m-%d", "%b %d, %Y", "%d-%b-%y", "%d %B %Y", "%d-%b-%Y", "%d %b %Y"),
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%d-%B-%Y"),
)
FORMAT_PART = re.compile(r"%-?(.)")
FIELD, ROW = "\x1f", "\x1e"  # between the parts of a text that SQL splits; in no cleaned value


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
    formats: tuple[str, ...] = FORMATS
    null_markers: tuple[str, ...] = ()
    separator: str = ","
    brackets: bool = False
    values: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    earliest: int = 1870
    years_ahead: int = 5
    minutes: tuple[int, ...] = (1, 1440)
    seasons: tuple[int, ...] = (1, 100)
    audiences: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All names it may come under, its own first, as `normalised` gives them."""
        return [normalise(name) for name in (self.name, *self.aliases)]

    @property
    def words(self) -> dict[str, str]:
        """What the publisher writes -> what it is called here; nothing for a missing value."""
        return dict.fromkeys(self.null_markers, "") | self.values


@dataclass(frozen=True)
class Contract:
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
    def is_adapted(self) -> bool:
        """Whether the publisher writes any value otherwise than staging does."""
        return any(c.words or c.brackets or c.separator != "," or c.unit for c in self.columns)

    @property
    def audiences(self) -> str:
        """The ratings it names, the youngest audience first, as analytics/dimensions.sql reads."""
        known = self["rating"].audiences
        rows = [(rating, audience) for audience in known for rating in known[audience]]
        return "".join(
            f"{number}{FIELD}{rating}{FIELD}{audience}{ROW}"
            for number, (rating, audience) in enumerate(rows, 1)
        )

    @property
    def variables(self) -> dict[str, Any]:
        """What the SQL reads of the contract with getvariable(), by name."""
        columns, year, duration = self.columns, self["release_year"], self["duration"]
        words = [(column, *pair) for column in columns for pair in column.words.items()]
        found = {
            "list_columns": [column.name for column in columns if column.type == "list"],
            "not_null_columns": [column.name for column in columns if not column.nullable],
            "closed_columns": [column.name for column in columns if column.allowed],
            "allowed_values": [f"{column.name}={v}" for column in columns for v in column.allowed],
            "expected_ratings": [r for group in self["rating"].audiences.values() for r in group],
            "expects_ratings": bool(self["rating"].audiences),
            "key_columns": self.key,
            "value_map": ROW.join(
                ["", *(f"{c.name}={before}{FIELD}{after}" for c, before, after in words), ""]
            ),
            "bracketed_columns": [column.name for column in columns if column.brackets],
            "duration_unit": UNITS.get(duration.unit, ""),
            "earliest_year": year.earliest,
            "years_ahead": year.years_ahead,
        }
        for column in columns:
            found[f"separator_{column.name}"] = column.separator
            found[f"dropped_{column.name}"] = FIELD if column.separator == "," else ","
            if column.type == "date":
                short = [form for form in column.formats if "%y" in form]
                found[f"formats_{column.name}"] = list(column.formats)
                found[f"short_formats_{column.name}"] = short or list(column.formats)
        for name in UNITS:
            found[f"fewest_{name}"], found[f"most_{name}"] = getattr(duration, name)
        return found

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, str) and v.strip() for v in value)


def is_date_format(text: str) -> bool:
    """Whether strptime's words in it make a day: a year, a month and a day of the month."""
    parts = FORMAT_PART.findall(text)
    known = set(parts) <= set("YymBbdAaHMSpfT%")
    return known and all(sum(part in parts for part in kind) == 1 for kind in ("Yy", "mBb", "d"))


def is_range(value: object) -> bool:
    numbers = isinstance(value, tuple) and all(type(number) is int for number in value)
    return numbers and len(value) == 2 and value[0] <= value[1]


LIST_OF_NAMES = 'a list of names in quotes, like ["one", "two"]'
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("required", "key", "nullable", "tracked", "brackets"),
        (lambda value: isinstance(value, bool), "true or false"),
    ),
    **dict.fromkeys(("allowed", "aliases", "null_markers"), (are_texts, LIST_OF_NAMES)),
    "formats": (
        lambda value: are_texts(value) and value and all(map(is_date_format, value)),
        'a list of days in the words of strptime, like ["%d/%m/%Y", "%d-%b-%y"]',
    ),
    "separator": (
        lambda value: isinstance(value, str) and len(value.strip()) == 1,
        "one character, like |",
    ),
    "values": (
        lambda value: isinstance(value, dict) and are_texts((*value, *value.values())),
        'a table of texts, like { MOVIE = "Movie" }',
    ),
    "unit": (lambda value: value in ("", *UNITS), " or ".join(UNITS)),
    **dict.fromkeys(("minutes", "seasons"), (is_range, "two whole numbers, like [1, 100]")),
    **dict.fromkeys(
        ("earliest", "years_ahead"), (lambda value: type(value) is int, "a whole number")
    ),
    "audiences": (
        lambda value: isinstance(value, dict) and all(map(are_texts, value.values())),
        'a table of lists of ratings, like { kids = ["G"] }',
    ),
}
ONLY_FOR = {
    **{"formats": "date", "separator": "list", "brackets": "list", "unit": "duration"},
    **{"minutes": "duration", "seasons": "duration", "earliest": "year", "years_ahead": "year"},
}


IDENTITY = ("type", "title", "release_year")  # what titles are known by with CDC_KEY=title


def load_contract(path: Path, cdc_key: str = "show_id") -> Contract:
    """Read and check the contract. Raises SettingsError naming the entry that is wrong.

    With `cdc_key` "title" the columns of the key are attributes: a file may lack them, and a new
    value makes no version.
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
    """The properties of a column with tuples for lists, those in a table, too."""
    return {
        key: tuple(value)
        if isinstance(value, list)
        else freeze(value)
        if isinstance(value, dict)
        else value
        for key, value in entry.items()
    }


def check_column(path: Path, column: Column, entry: dict[str, Any]) -> None:
    """Raises SettingsError where a property of the column is wrong, or is for another type."""
    if column.type not in TYPES:
        raise SettingsError(
            f"the contract {path}: type of {column.name} is {column.type!r}; "
            f"allowed is {', '.join(TYPES)}"
        )
    if column.type != OF_TYPE.get(column.name, column.type):
        raise SettingsError(
            f"the contract {path}: type of {column.name} must be {OF_TYPE[column.name]}"
        )
    for name, (is_right, allowed) in RULES.items():
        if not is_right(getattr(column, name)):
            raise SettingsError(f"the contract {path}: {name} of {column.name} must be {allowed}")
    if wrong := [name for name in entry if ONLY_FOR.get(name, column.type) != column.type]:
        raise SettingsError(
            f"the contract {path}: {column.name} has {wrong[0]}, and is a {column.type}; "
            f"only a {ONLY_FOR[wrong[0]]} has that"
        )


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
