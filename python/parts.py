"""The parts that a scan wrote, as DuckDB reads them: a query for each, names for the columns."""

from errors import Refused
from scan import Part, Scan, normalised
from warehouse import literal

LINEAGE = ("ingestion_ts", "source_file", "source_line", "batch_id")
SPARE_RECORD_BYTES = 2 << 20  # DuckDB's own limit on a record; longer ones get what they need


def branch(part: Part, found: Scan, width: int) -> str:
    """One part as a query: c0, c1, ... and source_line."""
    names = [f"c{at}" for at in range(width)]
    limit = max(SPARE_RECORD_BYTES, 2 * found.longest_record)
    fields = ["source_line", *names] if part.numbered else names
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in fields)
    source = (
        f"read_csv({literal(part.path)}, auto_detect = false, header = false, skip = 1, "
        f"columns = {{{types}}}, "
        f"delim = {literal(',' if part.numbered else found.delimiter)}, quote = '\"', "
        f"escape = '\"', strict_mode = true, parallel = false, max_line_size = {limit})"
    )
    if part.numbered:
        return (
            f"SELECT {', '.join(names)}, CAST(source_line AS BIGINT) AS source_line FROM {source}"
        )
    inside = "0"
    if part.line_feeds_inside:  # a record with line feeds inside moves all records behind it
        text = f"concat_ws('', {', '.join(names)})"
        any_inside = " OR ".join(f"contains({name}, chr(10))" for name in names)
        inside = (
            f"CASE WHEN {any_inside} "
            f"THEN strlen({text}) - strlen(replace({text}, chr(10), '')) ELSE 0 END"
        )
    before = "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"  # streams, row by row
    return (
        f"SELECT {', '.join(names)}, CAST({part.first_line - 1} + row_number() OVER () "
        f"+ sum(line_feeds) {before} - line_feeds AS BIGINT) AS source_line "
        f"FROM (SELECT *, {inside} AS line_feeds FROM {source})"
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
