"""Profile a catalogue file before it is loaded: what is in it, as pandas tables.

Importing pandas takes 0.4 s, so no module of the nightly chain does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pandas as pd

from column import normalise
from config import Settings
from contract import Contract, bind, load_contract
from errors import Refused
from ingest.csv_feed import read_csv_query, write_to_file
from ingest.csv_repair import repair_source
from ingest.csv_scan import Scan, scan_csv
from ingest.snapshot import name_raw_columns
from ingest.source import fetch_source
from ingest.source_file import SourceFile, open_source, source_digest
from runner.console import plural
from runner.signals import scratch_folder
from warehouse.database import Warehouse, connect, run_file

EXACT_ROWS = 100_000  # distinct values are counted exactly up to here, above by HyperLogLog
CERTAIN_FROM = 10  # fewer multi-byte characters may be valid UTF-8 by chance
EXAMPLES = 3
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


Foresee = Callable[[Warehouse, list[str], Settings], tuple[list[tuple[str, str, str]], str]]


@dataclass
class Profile:
    """What was counted in one file. Texts come from the file: escape them before you show them."""

    delivery: SourceFile
    scan: Scan
    contract: Contract
    bound: dict[str, str | None]  # canonical name -> name in the file
    columns: pd.DataFrame  # one row per column; saved up to `examples`
    keys: dict[str, Any]  # see inspect_keys in sql/reports/inspect.sql
    beyond_ascii: int  # records with such characters; counted if bytes were repaired
    misfits: str  # line and reason of the first three records that do not fit
    findings: list[tuple[str, str, str]]  # column, what would not load, lines of the contract
    proposal: str  # the contract with these lines


def profile_source(settings: Settings, foresee: Foresee) -> Profile:
    """Fetch, scan and profile the source. Raises Refused if it is not a readable catalogue.

    `foresee` looks into the view `records` for what later steps would refuse (staging/foresee.py).
    """
    contract = load_contract(settings.contract_path, settings.cdc_key)
    with scratch_folder("netflix-inspect-") as folder:
        delivery = fetch_source(settings, folder)
        settings = replace(settings, warehouse_path=folder / "spilled")
        source_digest(delivery)
        scan = Scan()
        with open_source(delivery, settings.max_file_size) as stream:
            write_to_file(scan_csv(stream, scan, contract.known_names), scan, folder / "whole.csv")
        arguments = delivery, contract, settings, foresee
        profile = profile_parts(scan, *arguments) if scan.is_strict_csv else None
        if not profile:  # the two parsers disagree: read it record by record, as step 02 does
            for part in scan.parts:
                part.unlink()
            scan = repair_source(delivery, contract.known_names, folder, settings)
            profile = profile_parts(scan, *arguments)
        if not profile:
            raise Refused(f"{delivery.name}: its {scan.records:,} records cannot all be read")
    return profile


def profile_parts(
    scan: Scan, delivery: SourceFile, contract: Contract, settings: Settings, foresee: Foresee
) -> Profile | None:
    """Run sql/reports/inspect.sql on the parts; None if DuckDB's parser does not agree."""
    names = [name or f"unnamed_{position}" for position, name in enumerate(scan.header, 1)]
    bound = bind(contract, names)
    keys = [f"c{names.index(source)}" for name in contract.key if (source := bound[name])]
    complete = " AND ".join(f"trim({key}) <> ''" for key in keys) or "false"
    key = keys[0] if len(keys) == 1 else f"concat_ws(' + ', {', '.join(keys) or 'NULL'})"
    con = connect(":memory:", settings, [scan.parts[0].parent])
    try:
        con.execute("SET preserve_insertion_order = false")  # source_line carries the order
        con.execute(f"CREATE TEMP VIEW records AS {read_csv_query(scan, len(names))}")
        con.execute(
            f"CREATE TEMP VIEW record_keys AS SELECT CASE WHEN {complete} THEN {key} END AS key, "
            f"source_line FROM records WHERE {bool(keys)}"
        )
        variables = {"record_count": scan.records, "repaired_lines": scan.repaired_lines}
        run_file(con, "reports/inspect.sql", variables | {"exact_rows": EXACT_ROWS})
        parsed, *counts = con.execute("FROM inspect_columns").fetchone()
        if parsed + scan.rejected != scan.records:
            return None
        exact = con.execute("FROM inspect_distinct").fetchone()
        inspect_keys = con.execute("SELECT inspect_keys FROM inspect_keys").fetchone()[0]
        beyond_ascii = con.execute("FROM inspect_beyond_ascii").fetchone()[0]
        foreseen = foresee(con, scan.header, settings)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        con.close()
    columns = pd.DataFrame(counts).astype({"shortest": "Int64", "longest": "Int64"})
    is_exact = scan.records <= EXACT_ROWS
    columns["distinct"] = exact if is_exact else columns[["distinct", "filled"]].min(axis="columns")
    columns["examples"] = [list(dict.fromkeys(it or []))[:EXAMPLES] for it in columns["examples"]]
    columns.insert(2, "distinct_is_exact", is_exact)
    columns.insert(1, "filled_pct", 1000 * columns["filled"] // max(parsed, 1) / 10)  # 100: all
    columns.insert(0, "is_named", [bool(normalise(name)) for name in scan.header])
    columns.insert(0, "column", names)
    columns.insert(0, "position", range(1, len(names) + 1))
    first = pd.read_csv(scan.rejects, nrows=3).itertuples() if scan.rejected else ()
    misfits = "; ".join(f"line {row.source_line}: {row.reason}" for row in first)
    about = (delivery, scan, contract, bound, columns, inspect_keys, beyond_ascii, misfits)
    return Profile(*about, *foreseen)


def list_facts(profile: Profile) -> dict[str, str]:
    scan, unnamed = profile.scan, len(profile.columns.query("not is_named and filled == 0"))
    kinds = {"CRLF": scan.lines_crlf, "LF": scan.lines_lf, "CR": scan.lines_cr}
    ends = ", ".join(f"{kind} {count:,}" for kind, count in kinds.items() if count)
    return {
        "file": f"{profile.delivery.name}, {scan.size:,} bytes of text",
        "sha-256": source_digest(profile.delivery),
        "encoding": describe_encoding(profile),
        "line ends": ends or "none",
        "delimiter": DELIMITERS[scan.delimiter],
        "records": f"{scan.records:,}" + f", {scan.rejected:,} do not fit" * (scan.rejected > 0),
        "columns": f"{len(scan.header)}" + f", {unnamed} unnamed and empty" * (unnamed > 0),
    }


def describe_encoding(profile: Profile) -> str:
    """Name the encoding and how certain it is, from what was counted."""
    scan, inside = profile.scan, int(profile.columns["multi_byte"].sum())
    multi_byte = inside + sum(not c.isascii() for name in scan.header for c in name)
    characters = plural(multi_byte, "multi-byte character")
    if scan.repaired_lines:
        lines = plural(scan.repaired_lines, "line")
        if profile.beyond_ascii <= scan.repaired_lines:
            return f"Windows-1252 (likely: nothing beyond ASCII is UTF-8; such bytes in {lines})"
        shown = [str(line) for line in scan.repaired_line_numbers[:5]]
        shown += ["..."] * (scan.repaired_lines > 5)
        return f"UTF-8 with Windows-1252 bytes in {lines} ({', '.join(shown)}); {characters} in all"
    if scan.encoding == "utf-16":
        return "UTF-16 (certain: byte order mark)"
    if scan.encoding == "utf-8 with BOM":
        return f"UTF-8 (certain: byte order mark; {characters}, all valid)"
    if not multi_byte:
        return "ASCII only" + " in the records that fit" * (scan.rejected > 0)
    sure = "certain" if multi_byte >= CERTAIN_FROM else "likely"
    return f"UTF-8 ({sure}: {characters}, all valid)"


def tabulate_warnings(profile: Profile) -> pd.DataFrame:
    """List the warnings, each with its column; the column is empty for the whole file."""
    rows = [("", text) for text in (*warn_of_file(profile), *warn_of_header(profile))]
    rows += warn_of_values(profile)
    for column, text, lines in profile.findings:
        advice = f"; the contract may say: {'; '.join(lines.splitlines())}" if lines else ""
        rows.append((column, text if " The contract may say" in text else text + advice))
    return pd.DataFrame(rows, columns=["column", "warning"])


def warn_of_file(profile: Profile) -> Iterator[str]:
    scan, promised = profile.scan, profile.delivery.sha256
    if promised and promised != source_digest(profile.delivery):
        yield f"the .sha256 file next to it promises another digest: {promised}"
    if not scan.records:
        yield "there is a header and no record"
    if scan.rejected:
        count = plural(scan.rejected, "record")
        yield f"{count} set aside, not fitting the header ({profile.misfits})"
    if not scan.ends_with_newline:
        yield "no line end at the end of the file: it may have been cut"
    if ", " in (ends := list_facts(profile)["line ends"]):
        yield f"mixed line ends: {ends}"
    if scan.blank_lines:
        yield f"{plural(scan.blank_lines, 'blank line')} between the records"


def warn_of_header(profile: Profile) -> Iterator[str]:
    try:
        name_raw_columns(profile.scan.header)
    except Refused as error:
        yield f"step 02 would refuse it: {error}"
    for column in profile.contract.columns:
        name = profile.bound[column.name]
        if not name:
            yield f"{'required' if column.required else 'optional'} column {column.name} not found"
        elif normalise(name) != normalise(column.name):
            yield f"{column.name} comes under the name {name}"
    bound = profile.bound.values()
    if unknown := [name for name in profile.scan.header if name and name not in bound]:
        yield f"{plural(len(unknown), 'unknown column')}: {', '.join(unknown)}"
    if empty := len(profile.columns.query("not is_named and filled == 0")):
        yield f"{plural(empty, 'unnamed column')} without any value"
    for row in profile.columns.query("not is_named and filled > 0").itertuples():
        yield f"column {row.position} has {plural(row.filled, 'value')} but no name"


def warn_of_values(profile: Profile) -> Iterator[tuple[str, str]]:
    key, keys, bound = " + ".join(profile.contract.key), profile.keys, profile.bound
    if keys["missing"]:
        count = plural(keys["missing"], "record")
        yield key, f"{count} without it, first in line {keys['missing_line']}"
    if keys["repeated"]:
        shown = "; ".join(
            "{key} {times} times, from line {line}".format(**it) for it in keys["examples"]
        )
        count = (
            f"{plural(keys['repeated'], 'duplicate key')} in {keys['repeated_records']:,} records"
        )
        yield key, f"{count} ({shown})"
    lists = [bound[column.name] for column in profile.contract.columns if column.type == "list"]
    limited_to = {"empty list entries": lists, "what looks like a duration": [bound["rating"]]}
    for row in profile.columns.to_dict("records"):
        for oddity, hits in row.items():
            is_odd = isinstance(hits, dict) and hits["count"]
            if is_odd and row["column"] in limited_to.get(oddity, [row["column"]]):
                count = plural(hits["count"], "value")
                yield row["column"], f"{count} with {oddity}, first in line {hits['line']}"
