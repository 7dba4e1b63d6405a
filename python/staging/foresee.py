"""Find what steps 04, 05 and the audit would say of a file, in a database in memory."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from column import RESERVED, normalise
from config import Settings
from contract import Contract, bind, load_contract
from errors import Refused
from ingest.manifest import Batch
from ingest.snapshot import name_raw_columns
from runner.log import utc_now
from staging.build import bind_columns, build_staging
from staging.macros import create_cleaning_macros
from staging.propose import propose_alias, propose_line
from staging.schema_drift import find_unparsable_columns
from warehouse.database import Warehouse, fetch_file, identifier, run_file, set_variables

TYPES_OF_EXTRAS = ("integer", "number", "boolean")
PASSES = 4  # values that one line lets in may need another line
CHECKED = {  # checks of the audit that are about single values -> their column
    "accepted_ratings": "rating",
    "durations_in_range": "duration",
    "dates_added_not_in_the_future": "date_added",
}
Finding = tuple[str, str, str]  # column, what is odd in it, the lines of the contract or ''


def foresee(con: Warehouse, header: list[str], settings: Settings) -> tuple[list[Finding], str]:
    """Find what would not load of the view `records` (c0, c1, ..., source_line).

    Return the findings, and the contract with lines that would load more, as far as they can be
    guessed. What only shows with these lines is found, too.
    """
    text = settings.contract_path.read_text(encoding="utf-8")
    findings: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory(prefix="netflix-contract-") as folder:
        path = Path(folder) / settings.contract_path.name
        for _ in range(PASSES):
            path.write_text(text, encoding="utf-8")
            contract = load_contract(path, settings.cdc_key)
            new = [one for one in find_all(con, header, contract) if one[:2] not in seen]
            seen |= {one[:2] for one in new}
            findings += new
            if text == (text := add_lines(text, new)):
                break
        return findings, text + propose_columns(con, header, contract)


def propose_columns(con: Warehouse, header: list[str], contract: Contract) -> str:
    """Entries, as comments, for the columns of the file that the contract does not name."""
    try:
        names = name_raw_columns(header)
    except Refused:
        return ""
    bound = bind(contract, names).values()
    free = {f"c{place}": name for place, name in enumerate(names) if name not in bound}
    create_cleaning_macros(con, contract)
    entries = []
    for place, name in free.items():
        filled, *fits = con.execute(
            f"SELECT count({place}), count(parse_integer({place})), count(parse_number({place})), "
            f"count(parse_boolean({place})) FROM records WHERE {place} <> ''"
        ).fetchone()
        kind = TYPES_OF_EXTRAS[fits.index(filled)] if filled in fits else "text"
        column = normalise(name)
        if filled and column.isidentifier() and column not in RESERVED:
            key = column if column.isascii() else f'"{column}"'
            entries.append(f'# [columns.{key}]\n# type = "{kind}"\n')
    head = "\n# Not in the contract, so not used. An entry takes a column in:\n"
    return head + "".join(entries) if entries else ""


def find_all(con: Warehouse, header: list[str], contract: Contract) -> list[Finding]:
    try:
        names = name_raw_columns(header)
    except Refused:  # inspect says so already
        return []
    bound = bind(contract, names)
    free = [name for name in names if name not in bound.values()]
    absent = [column for column in contract.columns if not bound[column.name]]
    aliases = [(c.name, propose_alias(c, free)) for c in absent]
    found = [(name, "is not in the file", line) for name, line in aliases if line]
    if found or any(column.required for column in absent):
        return found
    columns = ", ".join(f"c{place} AS {identifier(name)}" for place, name in enumerate(names))
    con.execute(
        f"CREATE OR REPLACE TABLE raw_netflix_titles AS SELECT {columns}, source_line, "
        "'' AS source_file, '' AS batch_id FROM records"
    )
    batch = cast(Batch, SimpleNamespace(batch_id="", columns=names, snapshot_at=utc_now()))
    bind_columns(con, batch, contract)
    retyped = find_unparsable_columns(con, contract)
    build_staging(con, batch, contract)
    set_variables(con, {"checked_at": utc_now()})
    run_file(con, "audit/staged_as_current.sql")
    unparsable = [change.column for change in retyped]
    return [
        *((change.column, change.detail, change.line) for change in retyped),
        *(one for one in find_unstaged(con, contract) if one[0] not in unparsable),
        *find_odd_values(con, contract),
    ]


def find_unstaged(con: Warehouse, contract: Contract) -> Iterator[Finding]:
    """Yield what would go to the quarantine, and what would be lost in a cast."""
    for row in fetch_file(con, "staging/findings.sql"):
        name, values = row["column_name"], [v for v in row["value_list"] if v is not None]
        shown = ", ".join(map(repr, values[:3]))
        several = "s" * (row["records"] != 1)
        lost = (
            f"value{several} that will be lost, as no {contract[name].type}"
            if not row["rule"]
            else ""
        )
        what = lost or f"record{several} to the quarantine ({row['rule']})"
        text = f"{row['records']:,} {what}, first in line {row['first_line']}"
        is_column = name != "business_key"
        line = propose_line(contract[name], values) if is_column else ""
        yield name if is_column else "", f"{text}: {shown}" if shown else text, line


def find_odd_values(con: Warehouse, contract: Contract) -> Iterator[Finding]:
    """Yield what loads and is odd: what the audit will say of the values."""
    missing: dict[str, list[dict]] = {}
    for row in fetch_file(con, "checks/values_look_missing.sql", contract.columns):
        missing.setdefault(row["column_name"], []).append(row)
    for name, rows in missing.items():
        values = [row["found_value"] for row in rows]
        yield (
            name,
            f"looks like a missing value {sum(row['titles'] for row in rows):,} times, first in "
            f"line {min(row['first_line'] for row in rows)}: {', '.join(map(repr, values[:3]))}",
            propose_line(contract[name], values),
        )
    for row in fetch_file(con, "checks/lists_of_another_form.sql", contract.columns):
        form = row["form"]
        yield (
            row["column_name"],
            f"list of another form ({form}), {row['titles']:,} times, first in line "
            f"{row['first_line']}: {row['example'][:60]!r}",
            "brackets = true" if form == "brackets" else f'separator = "{form}"',
        )
    for check, name in CHECKED.items():
        rows = fetch_file(con, f"checks/{check}.sql")
        shown = "; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in rows[:3])
        if rows:
            yield name, f"the check {check} will warn ({len(rows):,} times): {shown}", ""


def add_lines(text: str, findings: list[Finding]) -> str:
    """Return the contract with the proposed lines; a line replaces one of the same name."""
    for name, _, lines in findings:
        for line in lines.splitlines():
            head = re.compile(rf"^\[columns\.[\"']?{name}[\"']?\]\n(?:(?!\[).*\n)*", re.MULTILINE)
            if not (section := head.search(text)):
                continue
            block = section[0]
            word = line.split(" = ")[0]
            others = re.sub(rf"^{word} = .*\n", "", block, flags=re.MULTILINE)
            first, rest = others.split("\n", 1)
            note = "" if "#" in line else "  # proposed"
            text = text.replace(block, f"{first}\n{line}{note}\n{rest}", 1)
    return text
