"""Encode texts as numbers: the page gets each name once and its code in the rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from warehouse.database import Warehouse, fetch_file

TYPES = ("Movie", "TV Show")  # in this order, before any other


class Codes(dict):
    """Codes of texts: `codes[text]` is the text's code, or the next one for a new text."""

    def __init__(self, names: Iterable[str] = ()):
        super().__init__((name, code) for code, name in enumerate(names))

    def __missing__(self, name: str) -> int:
        code = self[name] = len(self)
        return code

    def of(self, texts: Iterable[str]) -> list[int]:
        return list(map(self.__getitem__, texts))

    @property
    def names(self) -> list[str]:
        return list(self)


def fetch_rows(con: Warehouse, name: str) -> list[list[Any]]:
    return [list(row.values()) for row in fetch_file(con, name)]


def fetch_columns(con: Warehouse, query: str) -> dict[str, tuple]:
    """Fetch a result of at least one row, column by column."""
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, zip(*cursor.fetchall(), strict=True), strict=True))


def split_list(text: str | None) -> list[str]:
    """Split a cleaned list; a member named twice counts once."""
    return list(dict.fromkeys(text.split(", "))) if text else []


def use_main_names(con: Warehouse, lists: Sequence[str]) -> list[str]:
    """Replace each country in these lists by its main name, once per list."""
    rows = fetch_file(con, "publish/page_country_names.sql")
    main = {row["name"]: row["main_name"] for row in rows}
    return (
        [
            ", ".join(dict.fromkeys(main.get(name, name) for name in text.split(", ")))
            for text in lists
        ]
        if main
        else list(lists)
    )


def rank(
    texts: Iterable[Any], split: Callable[[Any], Sequence[str]] = lambda text: [text]
) -> Codes:
    """Assign codes to the names in these texts, the most frequent one first."""
    counter: Counter[str] = Counter()
    for text, number in Counter(texts).items():
        for name in split(text):
            counter[name] += number
    return Codes(sorted(counter, key=lambda name: (-counter[name], name)))


def rank_names(columns: dict[str, tuple]) -> dict[str, Codes]:
    """Assign codes to the names of the four dimensions."""
    return {
        "type": rank_types(columns["type"]),
        "rating": rank(columns["rating"]),
        "country": rank(columns["countries"], split_list),
        "genre": rank(columns["genres"], split_list),
    }


def rank_types(texts: Iterable[str]) -> Codes:
    names = rank(texts).names
    return Codes([name for name in TYPES if name in names] + [n for n in names if n not in TYPES])
