"""The parts that a scan wrote, as DuckDB reads them."""

from contract import normalised
from errors import Refused
from scan import Scan
from warehouse import literal

LINEAGE = ("ingestion_ts", "source_file", "source_line", "batch_id", "record_hash")
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; longer ones get what they need


def records(found: Scan, width: int) -> str:
    """The query for all records: source_line, c0, c1, ... as text.

    DuckDB's strict parser raises where a record does not have this very form; a record that it
    takes for another cannot begin with a line number.
    """
    columns = ", ".join(
        ["'source_line': 'BIGINT'", *(f"'c{at}': 'VARCHAR'" for at in range(width))]
    )
    files = ", ".join(literal(part) for part in found.parts)
    return (
        f"SELECT * FROM read_csv([{files}], auto_detect = false, header = false, skip = 1, "
        f"columns = {{{columns}}}, delim = {literal(',' if found.careful else found.delimiter)}, "
        "quote = '\"', escape = '\"', strict_mode = true, "
        f"max_line_size = {max(SPARE_RECORD_BYTES, 2 * found.longest_record)})"
    )


def raw_columns(header: list[str]) -> list[str]:
    """Names for the Parquet: as in the file; unnamed ones get their position, as `unnamed_13`.

    Raises Refused where two columns have the same name.
    """
    seen: dict[str, str] = {}
    columns = []
    for position, name in enumerate(header, 1):
        key = normalised(name)
        if not key:
            name = f"unnamed_{position}"
        elif key in LINEAGE:
            name = f"{name}__in_file"
        if normalised(name) in seen:
            raise Refused(
                f"the header names {name!r} twice (columns {seen[normalised(name)]} and "
                f"{position}); nothing was changed"
            )
        seen[normalised(name)] = str(position)
        columns.append(name)
    return columns
