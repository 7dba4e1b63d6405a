"""Repeat marked lines of SQL for each column, as only the contract lists the columns.

A line that ends in one of these comments is repeated for each such column, always in the same
order: the twelve that every catalogue has, then others by name.

    -- each column                              of the contract
    -- each stored column                       and those derived from one (duration_minutes)
    -- each extra column                        beyond the twelve
    -- each typed column                        not stored as text, so a value may not parse
    -- each identity column                     that tells titles apart if ids do not
    -- each text or list column, not rating     of these types; without these names or types

In the line, `column` is the name; 'of column' the one it is derived from, as a text; COLUMN_TYPE
the type; 'what it means' the description. The file is valid SQL before that, for tools to read.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from column import CANONICAL, IDENTITY, OF_TYPE, RESERVED, TYPES, Column

if TYPE_CHECKING:
    from warehouse.database import Warehouse

SQL_TYPES = dict.fromkeys(TYPES, "VARCHAR") | {
    **{"date": "DATE", "year": "SMALLINT", "number": "DOUBLE", "integer": "BIGINT"},
    **{"boolean": "BOOLEAN", "part": "INTEGER"},
}
PARTS = {"duration": ("duration_minutes", "seasons")}  # column -> columns derived from it
KNOWN = tuple(Column(name, OF_TYPE.get(name, "text")) for name in CANONICAL)
LINE = re.compile(r"(?m)^(.*\S) +-- each (?:([a-z ]+) )?column(?:, not ([\w ]+))?\n")
WORD = re.compile(r"'of column'|'what it means'|COLUMN_TYPE|\bcolumn\b")


def sort_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns in the order that all tables have."""
    order = {name: index for index, name in enumerate(CANONICAL)}
    return sorted(columns, key=lambda column: (order.get(column.name, len(order)), column.name))


def expand_columns(sql: str, columns: Sequence[Column]) -> str:
    """Return the SQL with its marked lines repeated."""
    ordered = sort_columns(columns)

    def repeat(match: re.Match) -> str:
        code, kinds, but = match.groups()
        chosen = list(choose(ordered, kinds or "", (but or "").split(" or ")))
        if not ordered:
            raise ValueError(f"no columns were given for the line {code.strip()!r}")
        return "".join(f"{fill(code, column, source)}\n" for column, source in chosen)

    return LINE.sub(repeat, sql)


def choose(columns: list[Column], kinds: str, but: list[str]) -> Iterator[tuple[Column, str]]:
    """Yield (column, the name of the contract's column it comes from) for one marked line."""
    for column in columns:
        is_meant = kinds in ("", "stored") or column.type in kinds.split(" or ")
        is_meant |= kinds == "typed" and SQL_TYPES[column.type] != "VARCHAR"
        is_meant |= kinds == "identity" and column.name in IDENTITY
        is_meant |= kinds == "extra" and column.name not in CANONICAL
        name = column.name if column.name in CANONICAL else column.type
        if is_meant and not {name, column.type} & set(but):
            yield column, column.name
        for name in PARTS.get(column.name, ()) if kinds == "stored" else ():
            yield Column(name, "part"), column.name


def fill(code: str, column: Column, source: str) -> str:
    meaning = column.description or f"The column {column.name} of the contract."
    words = {
        "'of column'": f"'{source}'",
        "'what it means'": "'" + meaning.replace("'", "''") + "'",
        "COLUMN_TYPE": SQL_TYPES[column.type],
        "column": column.name,
    }
    return WORD.sub(lambda word: words[word[0]], code)


def column_names(con: "Warehouse", table: str) -> list[str]:
    """Return the columns of one of the pipeline's own tables or views, in order."""
    description = con.execute(f"SELECT * FROM {table} LIMIT 0").description
    return [column[0] for column in description]


def choose_columns(con: "Warehouse", table: str, columns: Sequence[Column]) -> list[Column]:
    """Return the contract's columns that a table has: an edit shows at the next merge."""
    names = {name.casefold() for name in column_names(con, table)}
    return [column for column in columns if column.name in names]


def stored_columns(con: "Warehouse") -> list[Column]:
    """Return the contract's columns in the history, which may have an older contract; no types."""
    names = column_names(con, "analytics_netflix_history")
    return [Column(name, OF_TYPE.get(name, "text")) for name in names if name not in RESERVED]
