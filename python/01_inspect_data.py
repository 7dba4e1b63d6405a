"""Look at a catalogue file before it is loaded: encoding, columns, keys, and what is odd about them.

Reads:   the source (NETFLIX_CSV, or the FILE given), sql/contract.toml
Writes:  nothing but its report on stdout; working files go to the system's temporary folder
         (TMPDIR) and away again. It takes no lock and leaves no record.
Fails when: there is no such file, or it is no CSV with a header that the contract knows (exit 20).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from config import Settings
from contract import Contract, bind, load_contract
from delivery import Delivery, fetch, opened
from errors import Refused
from parts import branch
from scan import Scan, normalised, scan, scan_carefully
from steps import printable
from warehouse import connect, run_sql

EXACT_ROWS = 100_000  # up to here distinct values are counted exactly, above it "~" (HyperLogLog)
CERTAIN_FROM = 10  # fewer multi-byte characters might be valid UTF-8 by chance
EXAMPLES = 3
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
HEADING = ("#", "column", "filled", "distinct", "length", "examples")
NAME_WIDTH = 24
ONLY_IN = {  # oddities that are none elsewhere: canonical columns, or all of a type
    "what looks like a duration": lambda column: column.name == "rating",
    "empty list entries": lambda column: column.type == "list",
}
PLAIN, BOLD, YELLOW, RED = "0", "1", "33", "31"


@dataclass
class Look:
    """What was found out about one file; `profiles` and `distinct` go column by column."""

    delivery: Delivery
    found: Scan
    contract: Contract
    columns: list[str]  # printable names; unnamed ones get their position, as step 02 does it
    bound: dict[str, str | None]  # canonical name -> name in the file
    profiles: list[dict[str, Any]]
    distinct: list[int] | None  # None where only the estimate in the profile is known
    missing_keys: int
    missing_key_line: int | None
    repeated_keys: int
    repeated_records: int
    repeated: list[dict[str, Any]]  # the first three: key, times, line
    beyond_ascii: int  # records with such characters; counted where bytes were repaired
    sha256: str  # of the bytes as delivered
    misfits: list[list[str]]  # the first three records that do not fit: line, reason

    @property
    def unnamed_empty(self) -> list[int]:
        return [
            at
            for at, name in enumerate(self.found.header)
            if not normalised(name) and not self.profiles[at]["filled"]
        ]

    @property
    def multi_byte(self) -> int:
        inside = sum(profile["multi_byte"] or 0 for profile in self.profiles)
        return inside + sum(not c.isascii() for name in self.found.header for c in name)


def run(settings: Settings) -> Look:
    """Fetch, scan and profile the source. Raises Refused where it is no readable catalogue."""
    contract = load_contract(settings.contract_path)
    with tempfile.TemporaryDirectory(prefix="netflix-inspect-") as name:
        folder = Path(name)
        delivery = fetch(settings, folder, None, None)
        here = Settings({**settings.values, "WAREHOUSE_PATH": folder / "inspect.db"})  # spills too
        found = take_apart(scan, delivery, folder, contract, here)
        look = look_at(delivery, found, contract, folder, here) if found.plain else None
        if (
            look is None
        ):  # the two parsers disagree: take it apart record by record, as step 02 does
            for part in found.parts:
                part.path.unlink()
            digest, found = (
                found.sha256,
                take_apart(scan_carefully, delivery, folder, contract, here),
            )
            if found.sha256 != digest:
                raise Refused(f"{delivery.name} changed while it was read; look again")
            look = look_at(delivery, found, contract, folder, here)
        if look is None:
            raise Refused(f"{delivery.name}: its {found.records:,} records cannot be read in full")
    return look


def take_apart(
    scanner: Any, delivery: Delivery, folder: Path, contract: Contract, settings: Settings
) -> Scan:
    with opened(delivery, settings.max_file_size) as stream:
        return scanner(stream, folder, contract.known_names)


def look_at(
    delivery: Delivery, found: Scan, contract: Contract, folder: Path, settings: Settings
) -> Look | None:
    """The parts, profiled by sql/inspect.sql; None where DuckDB's parser reads them otherwise."""
    width = len(found.header)
    columns = [printable(name) or f"unnamed_{at}" for at, name in enumerate(found.header, 1)]
    positions = {name: at for at, name in reversed(list(enumerate(columns)))}
    bound = bind(contract, columns)
    keys = [f"c{positions[bound[name]]}" for name in contract.key if bound[name]]
    complete = " AND ".join(f"trim({key}) <> ''" for key in keys) or "true"
    together = f"concat_ws(' + ', {', '.join(keys)})" if len(keys) > 1 else "".join(keys) or "NULL"
    con = connect(":memory:", settings, [folder])
    try:
        con.execute("SET preserve_insertion_order = false")  # source_line carries the order
        con.execute(
            "CREATE TEMP VIEW records AS "
            + " UNION ALL ".join(branch(part, found, width) for part in found.parts)
        )
        con.execute(
            f"CREATE TEMP VIEW record_keys AS SELECT CASE WHEN {complete} THEN {together} END AS key, "
            f"source_line FROM records WHERE {bool(keys)}"
        )
        variables = {"record_count": found.records, "exact_rows": EXACT_ROWS}
        run_sql(con, "inspect.sql", variables | {"repaired_lines": found.repaired_lines})
        records, *profiles = con.execute("FROM inspect_columns").fetchone()
        distinct = con.execute("FROM inspect_distinct").fetchone()
        key_facts = con.execute("FROM inspect_keys").fetchone()
        beyond_ascii = con.execute("FROM inspect_beyond_ascii").fetchone()[0]
    except duckdb.InvalidInputException:
        return None
    finally:
        con.close()
    if records + found.rejected != found.records:
        return None
    compressed = delivery.name.lower().endswith((".gz", ".zip"))
    missing, missing_line, repeated_keys, repeated_records, examples = key_facts
    return Look(
        delivery,
        found,
        contract,
        columns,
        bound,
        profiles,
        list(distinct) if found.records <= EXACT_ROWS else None,
        missing,
        missing_line,
        repeated_keys,
        repeated_records,
        examples or [],
        beyond_ascii,
        sha256(delivery.path) if compressed else found.sha256,
        first_misfits(found.rejects),
    )


def first_misfits(rejects: Path | None) -> list[list[str]]:
    if not rejects:
        return []
    with open(rejects, encoding="utf-8", newline="") as file:
        return [row[:2] for row in islice(csv.reader(file), 1, 4)]


def facts(look: Look) -> list[tuple[str, str]]:
    found = look.found
    unnamed = len(look.unnamed_empty)
    return [
        ("file", f"{look.delivery.name}, {found.size:,} bytes of text"),
        ("sha-256", look.sha256),
        ("encoding", encoding(look)),
        ("line ends", ", ".join(f"{kind} {count:,}" for kind, count in line_ends(found)) or "none"),
        ("delimiter", DELIMITERS[found.delimiter]),
        (
            "records",
            f"{found.records:,}" + f", {found.rejected:,} do not fit" * bool(found.rejected),
        ),
        ("columns", f"{len(look.columns)}" + f", {unnamed} unnamed and empty" * bool(unnamed)),
    ]


def line_ends(found: Scan) -> list[tuple[str, int]]:
    kinds = (("CRLF", found.lines_crlf), ("LF", found.lines_lf), ("CR", found.lines_cr))
    return [(kind, count) for kind, count in kinds if count]


def encoding(look: Look) -> str:
    """The encoding and how sure it is, from what was counted."""
    found, characters = look.found, f"{look.multi_byte:,} multi-byte characters"
    if found.repaired_lines:
        count = many(found.repaired_lines, "line")
        if look.beyond_ascii <= found.repaired_lines:
            return f"Windows-1252 (likely: no valid UTF-8 beyond ASCII but in those {count})"
        shown = ", ".join(str(line) for line in found.repaired_line_numbers[:5])
        more = ", ..." if found.repaired_lines > 5 else ""
        return f"UTF-8 with Windows-1252 bytes in {count} ({shown}{more}); {characters} in all"
    if found.encoding == "utf-16":
        return "UTF-16 (certain: byte order mark)"
    if found.encoding == "utf-8 with BOM":
        return f"UTF-8 (certain: byte order mark; {characters}, all valid)"
    if not look.multi_byte:
        return (
            "ASCII only" + " in the records that fit" * bool(found.rejected) + ", valid UTF-8 too"
        )
    sure = "certain" if look.multi_byte >= CERTAIN_FROM else "likely"
    return f"UTF-8 ({sure}: {characters}, all valid)"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def warnings(look: Look) -> list[str]:
    """What should be looked at before loading, the gravest first."""
    return [
        *file_warnings(look),
        *header_warnings(look),
        *key_warnings(look),
        *value_warnings(look),
    ]


def file_warnings(look: Look) -> Iterator[str]:
    found, promised = look.found, look.delivery.sha256
    if promised and promised != look.sha256:
        yield f"the .sha256 file beside it promises another digest: {promised}"
    if not found.records:
        yield "there is a header and no record"
    if found.rejected:
        shown = "; ".join(f"line {line}: {reason}" for line, reason in look.misfits)
        yield f"{many(found.rejected, 'record')} of {found.records:,} do not fit the header: {shown}"
    if not found.ends_with_newline:
        yield "no line end at the end of the file: it may have been cut"
    if len(line_ends(found)) > 1:
        inside = ", those inside quotes counted" if found.parts[0].numbered else ""
        yield f"mixed line ends ({dict(facts(look))['line ends']}{inside})"
    if found.blank_lines:
        yield f"{many(found.blank_lines, 'blank line')} between the records"


def header_warnings(look: Look) -> Iterator[str]:
    try:
        raw_columns(look.found.header)
    except Refused as error:
        yield f"make run-all would stop: {error}"
    for column in look.contract.columns:
        name = look.bound[column.name]
        if name is None:
            kind = "required column" if column.required else "optional column"
            yield f"{kind} {column.name} not found"
        elif normalised(name) != normalised(column.name):
            yield f"{column.name} comes under the name {name}"
    known = set(look.bound.values())
    unknown = [
        name
        for name, given in zip(look.columns, look.found.header, strict=True)
        if given and name not in known
    ]
    if unknown:
        yield f"{many(len(unknown), 'unknown column')}: {', '.join(unknown)}"
    if look.unnamed_empty:
        yield f"{many(len(look.unnamed_empty), 'unnamed column')} without any value"
    for at, name in enumerate(look.found.header):
        if not normalised(name) and at not in look.unnamed_empty:
            yield f"column {at + 1} has no name but {many(look.profiles[at]['filled'], 'value')}"


def key_warnings(look: Look) -> Iterator[str]:
    key = " + ".join(look.contract.key)
    if look.missing_keys:
        yield f"{key}: {many(look.missing_keys, 'record')} without it, first in line {look.missing_key_line}"
    if look.repeated_keys:
        shown = ", ".join(
            f"{it['key']} ({it['times']} times, first in line {it['line']})" for it in look.repeated
        )
        yield f"{key}: {many(look.repeated_keys, 'duplicate key')} in {look.repeated_records:,} records: {shown}"


def value_warnings(look: Look) -> Iterator[str]:
    canonical = {look.bound[column.name]: column for column in look.contract.columns}
    for name, profile in zip(look.columns, look.profiles, strict=True):
        for oddity, hits in profile.items():
            if not isinstance(hits, dict) or not hits["count"]:
                continue
            column = canonical.get(name)
            if oddity not in ONLY_IN or (column and ONLY_IN[oddity](column)):
                yield f"{name}: {many(hits['count'], 'value')} with {oddity}, first in line {hits['line']}"


def table(look: Look, width: int) -> list[str]:
    """One line for each column, at most `width` wide; the unnamed empty columns share a line."""
    empty, records = look.unnamed_empty, look.found.records - look.found.rejected
    rows = [HEADING]
    for at, profile in enumerate(look.profiles):
        if at in empty:
            continue
        filled, count = (
            profile["filled"],
            look.distinct[at] if look.distinct else profile["about_distinct"],
        )
        length = f"{profile['shortest']:,}-{profile['longest']:,}" if filled else ""
        rows.append(
            (
                str(at + 1),
                cut(look.columns[at], NAME_WIDTH),
                share(filled, records),
                f"{'' if look.distinct else '~'}{count:,}",
                length,
                profile,
            )
        )
    ...
