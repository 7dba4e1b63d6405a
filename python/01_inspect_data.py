"""Look at a catalogue file before it is loaded: encoding, columns, keys, and what is odd in them.

Reads:   the source (NETFLIX_CSV, or the FILE given), sql/contract.toml
Writes:  nothing but its report on stdout; working files go to the system's temporary folder
         (TMPDIR) and away again. It takes no lock and leaves no record.
Fails when: there is no such file, or it is no CSV with a header that the contract knows (exit 20).
"""

import argparse
import csv
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from unicodedata import category, east_asian_width

import duckdb

from config import Settings, load_settings
from contract import Contract, bind, load_contract, normalise
from errors import DONE, Refused, StepError, exit_code
from ingest.csv_feed import read_csv_query, write_to_file
from ingest.csv_repair import repair_csv
from ingest.csv_scan import Scan, scan_csv
from ingest.snapshot import name_raw_columns
from ingest.source import fetch_source
from ingest.source_file import SourceFile, open_source, source_digest
from runner.console import BOLD, PLAIN, YELLOW, printable, say, say_error
from warehouse.duckdb_file import connect
from warehouse.sql import run_file

EXACT_ROWS = 100_000  # up to here distinct values are counted exactly, above it "~" (HyperLogLog)
CERTAIN_FROM = 10  # fewer multi-byte characters might be valid UTF-8 by chance
EXAMPLES = 3
NAME_WIDTH = 24
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
HEADING = ("#", "column", "filled", "distinct", "length")


@dataclass
class Look:
    """What was found out about one file; `profiles` is one dictionary for each column."""

    delivery: SourceFile
    sha256: str  # of the bytes as delivered
    found: Scan
    contract: Contract
    columns: list[str]  # unnamed ones get their position, as step 02 does it
    bound: dict[str, str | None]  # canonical name -> name in the file
    profiles: list[dict[str, Any]]  # see the macro `profile` in sql/reports/inspect.sql
    distinct: tuple[int, ...] | None  # None where there is only the estimate in the profile
    keys: dict[str, Any]  # see inspect_keys in sql/reports/inspect.sql
    beyond_ascii: int  # records with such characters; counted where bytes were repaired
    misfits: list[list[str]]  # the first three records that do not fit: line, reason

    @property
    def unnamed_empty(self) -> list[int]:
        pairs = enumerate(zip(self.found.header, self.profiles, strict=True))
        return [at for at, (name, it) in pairs if not normalise(name) and not it["filled"]]

    @property
    def multi_byte(self) -> int:
        inside = sum(profile["multi_byte"] or 0 for profile in self.profiles)
        return inside + sum(not c.isascii() for name in self.found.header for c in name)


def run(settings: Settings) -> Look:
    """Fetch, scan and profile the source. Raises Refused where it is no readable catalogue."""
    contract = load_contract(settings.contract_path)
    with tempfile.TemporaryDirectory(prefix="netflix-inspect-") as name:
        folder = Path(name)
        delivery = fetch_source(settings, folder)
        settings = replace(settings, warehouse_path=folder / "spilled")
        digest, found = source_digest(delivery), Scan()
        with open_source(delivery, settings.max_file_size) as stream:
            write_to_file(
                scan_csv(stream, found, contract.known_names), found, folder / "whole.csv"
            )
        look = look_at(delivery, digest, found, contract, settings) if found.is_strict_csv else None
        if look is None:  # the two parsers disagree: take it apart record by record, as step 02
            for part in found.parts:
                part.unlink()
            with open_source(delivery, settings.max_file_size) as stream:
                found = repair_csv(stream, folder, contract.known_names)
            look = look_at(delivery, digest, found, contract, settings)
        if look is None:
            raise Refused(f"{delivery.name}: its {found.records:,} records cannot all be read")
    return look


def look_at(
    delivery: SourceFile, digest: str, found: Scan, contract: Contract, settings: Settings
) -> Look | None:
    """The parts, profiled by sql/reports/inspect.sql; None where DuckDB's parser does not agree."""
    columns = [name or f"unnamed_{at}" for at, name in enumerate(found.header, 1)]
    bound = bind(contract, columns)
    keys = [f"c{columns.index(bound[name])}" for name in contract.key if bound[name]]
    complete = " AND ".join(f"trim({key}) <> ''" for key in keys) or "false"
    key = keys[0] if len(keys) == 1 else f"concat_ws(' + ', {', '.join(keys) or 'NULL'})"
    con = connect(":memory:", settings, [found.parts[0].parent])
    try:
        con.execute("SET preserve_insertion_order = false")  # source_line carries the order
        con.execute(f"CREATE TEMP VIEW records AS {read_csv_query(found, len(columns))}")
        con.execute(
            f"CREATE TEMP VIEW record_keys AS SELECT CASE WHEN {complete} THEN {key} END AS key, "
            f"source_line FROM records WHERE {bool(keys)}"
        )
        variables = {"record_count": found.records, "repaired_lines": found.repaired_lines}
        run_file(con, "reports/inspect.sql", variables | {"exact_rows": EXACT_ROWS})
        parsed, *profiles = con.execute("FROM inspect_columns").fetchone()
        if parsed + found.rejected != found.records:
            return None
        exact = con.execute("FROM inspect_distinct").fetchone()
        return Look(
            delivery=delivery,
            sha256=digest,
            found=found,
            contract=contract,
            columns=columns,
            bound=bound,
            profiles=profiles,
            distinct=exact if found.records <= EXACT_ROWS else None,
            keys=con.execute("SELECT inspect_keys FROM inspect_keys").fetchone()[0],
            beyond_ascii=con.execute("FROM inspect_beyond_ascii").fetchone()[0],
            misfits=first_misfits(found.rejects),
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    finally:
        con.close()


def first_misfits(rejects: Path | None) -> list[list[str]]:
    if not rejects:
        return []
    with open(rejects, encoding="utf-8", newline="") as file:
        return [row[:2] for row in islice(csv.reader(file), 1, 4)]


def facts(look: Look) -> dict[str, str]:
    found, unnamed = look.found, len(look.unnamed_empty)
    return {
        "file": f"{look.delivery.name}, {found.size:,} bytes of text",
        "sha-256": look.sha256,
        "encoding": encoding(look),
        "line ends": ", ".join(f"{kind} {count:,}" for kind, count in line_ends(found)) or "none",
        "delimiter": DELIMITERS[found.delimiter],
        "records": f"{found.records:,}" + f", {found.rejected:,} do not fit" * (found.rejected > 0),
        "columns": f"{len(look.columns)}" + f", {unnamed} unnamed and empty" * (unnamed > 0),
    }


def encoding(look: Look) -> str:
    """The encoding and how sure it is, from what was counted."""
    found, characters = look.found, many(look.multi_byte, "multi-byte character")
    if found.repaired_lines:
        lines = many(found.repaired_lines, "line")
        if look.beyond_ascii <= found.repaired_lines:
            return f"Windows-1252 (likely: nothing beyond ASCII is UTF-8; such bytes in {lines})"
        shown = [str(line) for line in found.repaired_line_numbers[:5]]
        shown += ["..."] * (found.repaired_lines > 5)
        return f"UTF-8 with Windows-1252 bytes in {lines} ({', '.join(shown)}); {characters} in all"
    if found.encoding == "utf-16":
        return "UTF-16 (certain: byte order mark)"
    if found.encoding == "utf-8 with BOM":
        return f"UTF-8 (certain: byte order mark; {characters}, all valid)"
    if not look.multi_byte:
        return "ASCII only" + " in the records that fit" * (found.rejected > 0)
    sure = "certain" if look.multi_byte >= CERTAIN_FROM else "likely"
    return f"UTF-8 ({sure}: {characters}, all valid)"


def line_ends(found: Scan) -> list[tuple[str, int]]:
    kinds = (("CRLF", found.lines_crlf), ("LF", found.lines_lf), ("CR", found.lines_cr))
    return [(kind, count) for kind, count in kinds if count]


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def warnings(look: Look) -> Iterator[str]:
    """What should be looked at before loading: of the file, the header, the keys, the values."""
    yield from file_warnings(look)
    yield from header_warnings(look)
    key, keys = " + ".join(look.contract.key), look.keys
    if keys["missing"]:
        first = f"first in line {keys['missing_line']}"
        yield f"{key}: {many(keys['missing'], 'record')} without it, {first}"
    if keys["repeated"]:
        shown = "; ".join(
            "{key} {times} times, from line {line}".format(**it) for it in keys["examples"]
        )
        count = f"{many(keys['repeated'], 'duplicate key')} in {keys['repeated_records']:,} records"
        yield f"{key}: {count} ({shown})"
    canonical = {look.bound[column.name]: column for column in look.contract.columns}
    for name, profile in zip(look.columns, look.profiles, strict=True):
        column = canonical.get(name)
        for oddity, hits in profile.items():
            if not isinstance(hits, dict) or not hits["count"]:
                continue
            if oddity == "empty list entries" and not (column and column.type == "list"):
                continue
            if oddity == "what looks like a duration" and not (column and column.name == "rating"):
                continue
            count = many(hits["count"], "value")
            yield f"{name}: {count} with {oddity}, first in line {hits['line']}"


def file_warnings(look: Look) -> Iterator[str]:
    found, promised = look.found, look.delivery.sha256
    if promised and promised != look.sha256:
        yield f"the .sha256 file beside it promises another digest: {promised}"
    if not found.records:
        yield "there is a header and no record"
    if found.rejected:
        shown = "; ".join(f"line {line}: {reason}" for line, reason in look.misfits)
        yield f"{many(found.rejected, 'record')} set aside, not fitting the header ({shown})"
    if not found.ends_with_newline:
        yield "no line end at the end of the file: it may have been cut"
    if len(line_ends(found)) > 1:
        yield f"mixed line ends: {facts(look)['line ends']}"
    if found.blank_lines:
        yield f"{many(found.blank_lines, 'blank line')} between the records"


def header_warnings(look: Look) -> Iterator[str]:
    try:
        name_raw_columns(look.found.header)
    except Refused as error:
        yield f"step 02 would refuse it: {error}"
    for column in look.contract.columns:
        name = look.bound[column.name]
        if not name:
            yield f"{'required' if column.required else 'optional'} column {column.name} not found"
        elif normalise(name) != normalise(column.name):
            yield f"{column.name} comes under the name {name}"
    pairs = zip(look.columns, look.found.header, strict=True)
    unknown = [name for name, given in pairs if given and name not in look.bound.values()]
    if unknown:
        yield f"{many(len(unknown), 'unknown column')}: {', '.join(unknown)}"
    if look.unnamed_empty:
        yield f"{many(len(look.unnamed_empty), 'unnamed column')} without any value"
    for at, name in enumerate(look.found.header):
        if not normalise(name) and at not in look.unnamed_empty:
            yield f"column {at + 1} has {many(look.profiles[at]['filled'], 'value')} but no name"


def table(look: Look, width: int) -> list[str]:
    """One line for each column, at most `width` wide; the unnamed empty ones share the last."""
    rows, examples = [HEADING], [["examples"]]
    empty, records = look.unnamed_empty, look.found.records - look.found.rejected
    for at, (name, it) in enumerate(zip(look.columns, look.profiles, strict=True)):
        if at not in empty:
            about = min(it["about_distinct"], it["filled"])
            distinct = f"{look.distinct[at]:,}" if look.distinct else f"~{about:,}"
            length = f"{it['shortest']:,}-{it['longest']:,}" if it["filled"] else ""
            name = cut(printable(name), NAME_WIDTH)
            rows.append((str(at + 1), name, share(it["filled"], records), distinct, length))
            examples.append(list(dict.fromkeys(it["first_values"] or []))[:EXAMPLES])
    if empty:
        rows.append(
            (f"{empty[0] + 1}-{empty[-1] + 1}", f"({len(empty)} unnamed)", "0.0 %", "0", "")
        )
        examples.append([])
    wide = [max(map(taken, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for cells, values in zip(rows, examples, strict=True):
        blanks = [" " * (to - taken(cell)) for cell, to in zip(cells, wide, strict=True)]
        number, name, *others = zip(cells, blanks, strict=True)
        left = [number[1] + number[0], name[0] + name[1], *(gap + cell for cell, gap in others)]
        lines.append(f"{'  '.join(left)}  {fitted(values, width - sum(wide) - 10)}".rstrip())
    return lines


def share(part: int, whole: int) -> str:
    """In per cent, rounded down: 100.0 % means all."""
    return f"{math.floor(1000 * part / whole) / 10 if whole else 0:.1f} %"


def fitted(values: list[str], room: int) -> str:
    """The values side by side; short ones leave their room to the long ones."""
    shown = [printable(value) for value in values]
    room -= 3 * (len(shown) - 1)
    shortest_first = sorted(range(len(shown)), key=lambda at: taken(shown[at]))
    for done, at in enumerate(shortest_first):
        shown[at] = cut(shown[at], max(room // (len(shown) - done), 1))
        room -= taken(shown[at])
    return " | ".join(shown)


def taken(text: str) -> int:
    """The terminal columns that a text takes: wide letters two, combining marks none."""
    return sum(
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


def cut(text: str, room: int) -> str:
    if taken(text) <= room:
        return text
    while text and taken(text) >= room:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}"


def show(look: Look) -> None:
    for label, fact in facts(look).items():
        say(f"{label:<9}  {printable(fact)}")
    heading, *lines = table(look, shutil.get_terminal_size((100, 24)).columns)
    say("\n" + heading, BOLD)
    for line in lines:
        say(line)
    found = list(warnings(look))
    say(f"\n{many(len(found), 'warning')}", YELLOW if found else PLAIN)
    for warning in found:
        say(f"  {printable(warning)}", YELLOW)
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Print the report; the exit code is one of those in errors.py."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", metavar="FILE", help="a path or a URL, not NETFLIX_CSV")
    given = parser.parse_args(arguments).file
    try:
        settings = load_settings()
        if given is not None:
            source = given if "://" in given else str(Path(given).absolute())
            settings = replace(settings, netflix_csv=source)
        show(run(settings))
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (StepError, OSError, duckdb.Error) as error:
        say_error(f"inspect   failed: {printable(str(error).splitlines()[0])}")
        return exit_code(error)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
