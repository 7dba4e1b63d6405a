"""Repeat the lines of SQL that stand for each column: their list stands in the contract alone.

A line that ends in one of these comments is repeated for each such column, in the same order
everywhere: the twelve that every catalogue has, then others by name.

    -- each column                              of the contract
    -- each stored column                       and those that are made of one (duration_minutes)
    -- each extra column                        beyond the twelve
    -- each typed column                        that is no text, so that a value may not parse
    -- each text or list column, not rating     of these types; without these names or types

In it, `column` is the name; 'of column' the one it is made of, as a text; COLUMN_TYPE the
type; 'what it means' its description. The file is SQL also before that, for tools that read it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from column import CANONICAL, OF_TYPE, RESERVED, TYPES, Column

if TYPE_CHECKING:
    from warehouse.database import Warehouse

SQL_TYPES = dict.fromkeys(TYPES, "VARCHAR") | {
    **{"date": "DATE", "year": "SMALLINT", "number": "DOUBLE", "integer": "BIGINT"},
    **{"boolean": "BOOLEAN", "part": "INTEGER"},
}
PARTS = {"duration": ("duration_minutes", "seasons")}  # stored columns that are made of another
KNOWN = tuple(Column(name, OF_TYPE.get(name, "text")) for name in CANONICAL)
LINE = re.compile(r"(?m)^(.*\S) +-- each (?:([a-z ]+) )?column(?:, not ([\w ]+))?\n")
WORD = re.compile(r"'of column'|'what it means'|COLUMN_TYPE|\bcolumn\b")


def sort_columns(columns: Iterable[Column]) -> list[Column]:
    """The columns in the order in which all tables have them."""
    order = {name: place for place, name in enumerate(CANONICAL)}
    return sorted(columns, key=lambda column: (order.get(column.name, len(order)), column.name))


def expand_columns(sql: str, columns: Sequence[Column]) -> str:
    """The SQL with its marked lines repeated."""
    ordered = sort_columns(columns)

    def repeat(found: re.Match) -> str:
        code, kinds, but = found.groups()
        chosen = list(choose(ordered, kinds or "", (but or "").split(" or ")))
        if not ordered:
            raise ValueError(f"no columns were given for the line {code.strip()!r}")
        return "".join(f"{fill(code, column, source)}\n" for column, source in chosen)

    return LINE.sub(repeat, sql)


def choose(columns: list[Column], kinds: str, but: list[str]) -> Iterator[tuple[Column, str]]:
    """(column, the name of that of the contract that it is made of), where a line is for it."""
    for column in columns:
        stands = kinds in ("", "stored") or column.type in kinds.split(" or ")
        stands |= kinds == "typed" and SQL_TYPES[column.type] != "VARCHAR"
        stands |= kinds == "extra" and column.name not in CANONICAL
        name = column.name if column.name in CANONICAL else column.type
        if stands and not {name, column.type} & set(but):
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
    """The columns of one of the pipeline's own tables or views, in their order."""
    found = con.execute(f"SELECT * FROM {table} LIMIT 0").description
    return [column[0] for column in found]


def choose_columns(con: "Warehouse", table: str, columns: Sequence[Column]) -> list[Column]:
    """Those of the contract's columns that a table has: an edit shows at the next merge."""
    names = {name.casefold() for name in column_names(con, table)}
    return [column for column in columns if column.name in names]


def stored_columns(con: "Warehouse") -> list[Column]:
    """The contract's columns that the history has, whatever the contract says now; no types."""
    names = column_names(con, "analytics_netflix_history")
    return [Column(name, OF_TYPE.get(name, "text")) for name in names if name not in RESERVED]
