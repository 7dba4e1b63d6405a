"""A made-up catalogue as CSV text; needs nothing but Python, as tests/peers imports it, too."""

import csv
import io

COLUMNS = (
    "show_id", "type", "title", "director", "cast", "country", "date_added", "release_year",
    "rating", "duration", "listed_in", "description",
)  # fmt: skip


def title(number: int, **values: str) -> dict[str, str]:
    """One sound record of the catalogue; `values` say what is special about it."""
    return {
        "show_id": f"s{number}",
        "type": "Movie",
        "title": f"Title {number}",
        "director": "",
        "cast": "Ann Lee, Bo Ek",
        "country": "Norway",
        "date_added": "September 25, 2021",
        "release_year": "2020",
        "rating": "PG",
        "duration": "90 min",
        "listed_in": "Dramas, Comedies",
        "description": f"What happens in {number}.",
        **values,
    }


def without(records: list[dict[str, str]], *names: str) -> list[dict[str, str]]:
    """Return the records as a file has them that lacks these columns."""
    return [{name: row[name] for name in row if name not in names} for row in records]


def catalogue(
    *records: dict[str, str],
    header: str = "",
    delimiter: str = ",",
    line_end: str = "\r\n",
    quoting: int = csv.QUOTE_MINIMAL,
) -> str:
    """A CSV text of the records; `header` replaces the first line, which names their fields."""
    out = io.StringIO()
    fields = list(records[0]) if records else list(COLUMNS)
    writer = csv.DictWriter(
        out, fields, delimiter=delimiter, lineterminator=line_end, quoting=quoting
    )
    if header:
        out.write(header + line_end)
    else:
        writer.writeheader()
    writer.writerows(records)
    return out.getvalue()
