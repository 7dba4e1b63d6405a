"""Guess the line of the contract that would make values load; a person decides on it."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from column import Column, normalise
from contract import Contract
from warehouse.database import Warehouse, fetch_file

# Formats beyond the default ones; if two fit equally many values, both are named.
FORMATS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%m-%d-%Y"),
    *("%d-%m-%Y", "%m-%d-%y", "%d-%m-%y", "%Y%m%d", "%Y.%m.%d", "%B %d, %y", "%b %d, %y"),
    *("%b. %d, %Y", "%d %B, %Y", "%d %b, %Y", "%A, %B %d, %Y", "%Y-%m-%d %H:%M"),
    *("%Y-%m-%dT%H:%M:%SZ", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%B %d %Y", "%b %d %Y"),
)
TYPES = {
    "Movie": ("movie", "movies", "film", "feature"),
    "TV Show": ("tv show", "tv shows", "show", "shows", "tv", "series", "tv series", "tvshow"),
}
MISSING = ("na", "n/a", "nan", "null", "none", "nil", "\\n", "-", "--", "?", "0", "not given",
           "unknown", "not available", "n.a.", "#n/a")  # fmt: skip


# Names under which publishers deliver a column, the likeliest first.
NAMES = {
    "show_id": ("id", "show id", "title id", "imdb id", "netflix id"),
    "type": ("kind", "content type", "show type"),
    "title": ("name", "show title", "headline"),
    "director": ("directors", "directed by", "created by"),
    "cast": ("actors", "stars", "starring"),
    "country": ("countries", "production countries", "country of origin", "origin country"),
    "date_added": ("added", "added on", "date"),
    "release_year": ("year", "released", "year of release"),
    "rating": ("age certification", "age rating", "maturity rating", "certificate"),
    "duration": ("runtime", "length", "running time"),
    "listed_in": ("genres", "genre", "categories"),
    "description": ("plot", "summary", "overview", "synopsis"),
}


def propose_alias(column: Column, names: Sequence[str]) -> str:
    """Return the line that makes one of these columns of the file an alias; '' if none fits."""
    plain = {" ".join(normalise(name).split("_")): name for name in reversed(names)}
    known = [plain[name] for name in NAMES.get(column.name, ()) if name in plain][:1]
    return f"aliases = {json.dumps([*column.aliases, *known], ensure_ascii=False)}" * bool(known)


def propose_line(column: Column, values: Sequence[str]) -> str:
    """Return the lines of [columns.<name>] by which these values would load; '' if none helps."""
    missing = [value for value in values if value.casefold() in MISSING]
    others = [value for value in values if value not in missing]
    markers = json.dumps([*column.null_markers, *missing], ensure_ascii=False)
    lines = [f"null_markers = {markers}"] if missing else []
    if column.type == "date" and others:
        lines.append(propose_formats(others))
    elif column.type == "duration" and all(re.fullmatch(r"\d+([.,]0+)?", v) for v in others):
        lines += ['unit = "minutes"'] * bool(others)
    elif column.allowed and others:
        words = {value: find_word(column, value) for value in others}
        pairs = [f"{json.dumps(v)} = {json.dumps(word)}" for v, word in words.items() if word]
        known = [f"{json.dumps(v)} = {json.dumps(word)}" for v, word in column.values.items()]
        lines += [f"values = {{ {', '.join([*known, *pairs])} }}"] * bool(pairs)
    return "\n".join(filter(None, lines))


def find_word(column: Column, value: str) -> str | None:
    """Return the allowed value that this one stands for, None if it is not known."""
    plain = " ".join(re.sub(r"[\W_]+", " ", value).casefold().split())
    return next(
        (word for word in column.allowed if plain in (word.casefold(), *TYPES.get(word, ()))), None
    )


def propose_formats(values: Sequence[str]) -> str:
    fits = {form: sum(is_day(value, form) for value in values) for form in FORMATS}
    best = [form for form in FORMATS if fits[form] == max(fits.values()) > 0]
    if not best:
        return ""
    remark = f"  # or {', '.join(best[1:])}: these values fit both" if best[1:] else ""
    return f"formats = {json.dumps(best[:1])}{remark}"


def is_day(value: str, form: str) -> bool:
    with suppress(ValueError):
        return datetime.strptime(value.strip(), form).year >= 1900
    return False


def propose_lines(con: Warehouse, contract: Contract) -> str:
    """Return the contract lines that would let quarantined and lost values load."""
    proposed = {}
    for row in fetch_file(con, "staging/findings.sql"):
        if row["column_name"] != "business_key":
            values = [value for value in row["value_list"] if value is not None]
            proposed[row["column_name"]] = propose_line(contract[row["column_name"]], values)
    return "".join(
        f"\n  The contract may say, in [columns.{name}]: {line}"
        for name, line in proposed.items()
        if line
    )
