"""Define a column of the contract: its types, its properties and their rules."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import SettingsError

TYPES = ("text", "list", "date", "year", "duration", "number", "integer", "boolean")
NUMBERS = ("number", "integer")
UNITS = {"minutes": "min", "seasons": "Seasons"}  # the word put after a bare number
CANONICAL = (  # every catalogue has them; a contract may have more
    "show_id", "type", "title", "director", "cast", "country", "date_added", "release_year",
    "rating", "duration", "listed_in", "description",
)  # fmt: skip
IDENTITY = ("type", "title", "release_year")  # identify a title with CDC_KEY=title
OF_TYPE = {"date_added": "date", "release_year": "year", "duration": "duration"}  # fixed types
RESERVED = (  # names of the tables' other columns
    "rowid", "title_id", "title_key", "version_id", "business_key", "duration_minutes", "seasons",
    "row_hash", "record_hash", "repairs", "broken_rules", "is_staged", "staged_by", "source_line",
    "source_file", "batch_id", "operation", "valid_from", "valid_to", "is_current",
    "end_operation", "end_batch_id",
)  # fmt: skip
# Unambiguous formats, tried in this order: the most frequent one first.
FORMATS = (
    *("%B %d, %Y", "%Y-%m-%d", "%b %d, %Y", "%d-%b-%y", "%d %B %Y", "%d-%b-%Y", "%d %b %Y"),
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%d-%B-%Y"),
)
FORMAT_PART = re.compile(r"%-?(.)")


def normalise(name: str) -> str:
    """Return a column name in the form that is compared: case, blanks and _ do not matter."""
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
    range: tuple[float, ...] = ()
    description: str = ""

    @property
    def names(self) -> list[str]:
        """All names it may have in a file, its own first, as `normalise` returns them."""
        return [normalise(name) for name in (self.name, *self.aliases)]

    @property
    def words(self) -> dict[str, str]:
        """The publisher's value -> ours; '' for a missing value."""
        return dict.fromkeys(self.null_markers, "") | self.values


def are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, str) and v.strip() for v in value)


def is_date_format(text: str) -> bool:
    """Return whether a format of strptime has a year, a month and a day of the month."""
    parts = FORMAT_PART.findall(text)
    known = set(parts) <= set("YymBbdAaHMSpfT%")
    return known and all(sum(part in parts for part in kind) == 1 for kind in ("Yy", "mBb", "d"))


def is_range(value: Any, kinds: tuple[type, ...] = (int,)) -> bool:
    numbers = isinstance(value, tuple) and all(type(number) in kinds for number in value)
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
    "range": (
        lambda value: value == () or is_range(value, (int, float)),
        "two numbers, like [0, 10]",
    ),
    "description": (lambda value: isinstance(value, str), "a text"),
    "audiences": (
        lambda value: isinstance(value, dict) and all(map(are_texts, value.values())),
        'a table of lists of ratings, like { kids = ["G"] }',
    ),
}
ONLY_FOR = {
    **{"formats": ("date",), "separator": ("list",), "brackets": ("list",), "range": NUMBERS},
    **dict.fromkeys(("unit", "minutes", "seasons"), ("duration",)),
    **dict.fromkeys(("earliest", "years_ahead"), ("year",)),
}


def check_column(path: Path, column: Column, entry: dict[str, Any]) -> None:
    """Raise SettingsError if a property of the column is wrong, or is for another type."""
    if column.type not in TYPES:
        raise SettingsError(
            f"the contract {path}: type of {column.name} is {column.type!r}; "
            f"allowed is {', '.join(TYPES)}"
        )
    if column.type != OF_TYPE.get(column.name, column.type):
        raise SettingsError(
            f"the contract {path}: type of {column.name} must be {OF_TYPE[column.name]}"
        )
    if column.name not in CANONICAL:
        check_name(path, column)
    elif column.type in (*NUMBERS, "boolean"):
        raise SettingsError(
            f"the contract {path}: type of {column.name} is {column.type!r}, must be text or list"
        )
    for name, (is_right, allowed) in RULES.items():
        if not is_right(getattr(column, name)):
            raise SettingsError(f"the contract {path}: {name} of {column.name} must be {allowed}")
    if wrong := [name for name in entry if column.type not in ONLY_FOR.get(name, column.type)]:
        raise SettingsError(
            f"the contract {path}: {column.name} has {wrong[0]}, and is a {column.type}; "
            f"only a {' or '.join(ONLY_FOR[wrong[0]])} may have that"
        )


def check_name(path: Path, column: Column) -> None:
    """Raise SettingsError if a column beyond CANONICAL has a name that tables cannot have."""
    name = column.name
    plain = re.sub(r"\W+", "_", normalise(unicodedata.normalize("NFC", name))).strip("_")
    if name != plain or not name.isidentifier():
        raise SettingsError(
            f"the contract {path}: a column is called {name!r}; a name has small letters, digits "
            "and _, and no digit first. The name in the file goes into its aliases"
        )
    if name in RESERVED:
        raise SettingsError(
            f"the contract {path}: a column is called {name}, as one of the pipeline's own is. "
            "Choose another name; the name in the file goes into its aliases"
        )
    if column.type in OF_TYPE.values() and column.type != "date":
        raise SettingsError(
            f"the contract {path}: type of {name} is {column.type!r}, which only "
            f"{'release_year' if column.type == 'year' else 'duration'} has; take integer or text"
        )
