"""Bind a file's columns to the contract; report how they differ from the previous snapshot's."""

from dataclasses import dataclass

from column import Column, normalise
from contract import Contract, bind
from errors import NotReady, Refused
from ingest.decisions import find_baseline, is_accepted, record_acceptance
from ingest.manifest import Batch, verify_snapshot
from runner.console import printable
from runner.step import Step
from staging.build import bind_columns, find_staged, is_loaded, is_schema_checked
from staging.macros import create_cleaning_macros
from staging.propose import propose_line
from warehouse.columns import column_names
from warehouse.database import Warehouse, identifier, literal

LOOKS_RENAMED_PCT = 50  # fewer equal values may be chance
SAMPLE_ROWS = 10_000  # enough to see that most values no longer parse
PARSERS = {
    **{kind: f"parse_{kind}({{0}})" for kind in ("number", "integer", "boolean")},
    "date": "parse_date({0}, {1})",
    "year": "parse_year({0})",
    "duration": "coalesce(parse_minutes({0}), parse_seasons({0}))",
}
READ_AS = {
    **{"year": "2020, 2020.0", "duration": "90 min, 2 Seasons"},
    **{"number": "7.5, 7, 1e-3", "integer": "12, 12.0", "boolean": "true, yes, 1; false, no, 0"},
}


@dataclass(frozen=True)
class Change:
    """One difference from the previous snapshot; the kinds are those of [policy]."""

    kind: str
    column: str
    detail: str
    line: str = ""  # of the contract: it would make the column readable


def is_settled(con: Warehouse, batch: Batch, contract: Contract) -> bool:
    """Return whether this snapshot passed before, and is staged by these rules."""
    return is_schema_checked(con, batch) and bool(find_staged(con, batch, contract))


def check_columns(step: Step, batches: list[Batch], contract: Contract) -> list[Change]:
    """Bind the columns of the newest snapshot, which must be loaded; record how they changed.

    Raises NotReady if another snapshot is loaded, Refused if a required column is missing or a
    change has the policy "stop".
    """
    settings, con, batch = step.settings, step.con, batches[-1]
    if not is_loaded(con, batch):
        raise NotReady(
            f"snapshot {batch.batch_id} is not loaded yet. "
            "Run `make load` (or `make run-all`) first."
        )
    previous = find_baseline(settings, batches, batch.snapshot_at)
    bound = bind(contract, batch.columns)
    unknown = columns_with_values(
        con, [name for name in batch.columns if name not in bound.values()]
    )
    if previous and unknown:
        path = verify_snapshot(settings.snapshots, previous)
        con.show_parquet("previous_snapshot", path, temporary=True)
    changes = find_header_changes(con, contract, batch, previous, unknown)
    required = [column.name for column in contract.columns if column.required]
    missing = [name for name in required if not bound[name]]
    if previous and unknown:
        changes = [suggest_rename(con, change, contract, bound, unknown) for change in changes]
    if not missing:
        bind_columns(con, batch, contract)
        changes += find_unparsable_columns(con, contract)
    recorded = con.execute(
        "SELECT kind, column_name FROM ops_schema_changes WHERE batch_id = ?", [batch.batch_id]
    ).fetchall()
    for change in changes:
        if (change.kind, change.column) in recorded:
            continue  # reported in an earlier run
        step.add_ops_row(
            "INSERT INTO ops_schema_changes VALUES (?, ?, ?, ?, ?)",
            [batch.batch_id, change.kind, change.column, change.detail, step.started_at],
        )
        step.warn(f"column {printable(change.column)} {change.kind}: {change.detail}")
    if missing:
        hints = [c.detail for c in changes if c.kind == "removed" and c.column in missing]
        raise Refused(describe_missing(missing, hints, batch.header))
    stops = [change for change in changes if contract.policy[change.kind] == "stop"]
    if stops and not is_accepted(settings, batch):
        raise Refused(
            f"column {printable(stops[0].column)} was {stops[0].kind} ({stops[0].detail}); the "
            f"contract's policy for that is stop. Fix {settings.contract_path.name} or the file, "
            "or accept this file: "
            f"make run-all ACCEPT={batch.source_sha256[:12]}"
        )
    if stops:
        record_acceptance(settings, batch, f"column {stops[0].column} {stops[0].kind}")
    return changes


def describe_missing(missing: list[str], hints: list[str], header: list[str]) -> str:
    """Say which required columns the file lacks, what it has, and how to name an alias."""
    several = len(missing) > 1
    looks_like = [hint for hint in hints if "looks like it" in hint]
    return (
        f"required column{'s' * several} {', '.join(missing)} {'are' if several else 'is'} not in "
        f"the file. {' '.join([*looks_like, ''])}"
        f"The file has: {', '.join(map(printable, header[:30]))}. If one of these is it, write "
        f'into [columns.{missing[0]}] of the contract: aliases = ["its name in the file"]'
    )


def set_summary(step: Step, batch: Batch, bound: dict[str, str | None], drift: str) -> None:
    step.rows_out = len(bound)
    bound_now = sum(map(bool, bound.values()))
    step.message = f"{len(batch.columns)} columns, {bound_now} bound, {drift}"


def find_header_changes(
    con: Warehouse,
    contract: Contract,
    batch: Batch,
    previous: Batch | None,
    unknown: list[str],
) -> list[Change]:
    """Compare the header with the previous snapshot's, on a first load with the contract."""
    required = [column.name for column in contract.columns if column.required]
    now = bind(contract, batch.columns)
    then = (
        bind(contract, previous.columns) if previous else {c.name: c.name for c in contract.columns}
    )
    changes = []
    for name, source in now.items():
        source_then = then[name]
        if source_then and not source:
            detail = "not in the file." if name in required else "not in the file, so NULL."
            changes.append(Change("removed", name, detail))
        elif source and not source_then:
            changes.append(Change("added", name, "in the file, and not in the one before."))
        elif source and source_then and normalise(source) != normalise(source_then):
            changes.append(Change("renamed", name, f"comes as {source!r}."))
    names = {normalise(name) for name in unknown}
    before = [n for n in previous.columns if normalise(n) in names] if previous else []
    seen = {normalise(name) for name in columns_with_values(con, before, "previous_snapshot")}
    changes += [
        Change(
            "added",
            name,
            "unknown to the contract; kept in raw, not used. `make inspect PROPOSE=1` "
            "shows the entry that would take it in.",
        )
        for name in unknown
        if normalise(name) not in seen
    ]
    if previous:
        order = [normalise(name) for name in previous.header if name]
        order_now = [name for name in map(normalise, batch.header) if name in order]
        if order_now != [name for name in order if name in order_now]:
            changes.append(Change("reordered", "(header)", "the columns are in another order."))
    return changes


def columns_with_values(
    con: Warehouse, columns: list[str], table: str = "raw_netflix_titles"
) -> list[str]:
    """Return those of the columns that have any value."""
    if not columns:
        return []
    counts = ", ".join(f"count({identifier(name)})" for name in columns)
    found = con.execute(f"SELECT {counts} FROM {table}").fetchone()
    return [name for name, count in zip(columns, found, strict=True) if count]


def suggest_rename(
    con: Warehouse,
    change: Change,
    contract: Contract,
    bound: dict[str, str | None],
    unknown: list[str],
) -> Change:
    """Add to a removed column which unknown column looks like it, by the values of both."""
    if change.kind != "removed":
        return change
    then = bind(contract, column_names(con, "previous_snapshot"))
    source = identifier(then[change.column] or "")  # it was there, as it is removed now
    key, key_then = bound[contract.key[0]], then[contract.key[0]]
    by_key = key and key_then and change.column not in contract.key
    best_share, best_name = 0.0, ""
    for name in unknown:
        if key and key_then and by_key:
            query = (
                f"SELECT avg(CAST(new.{identifier(name)} IS NOT DISTINCT FROM old.{source} "
                "AS INT)) "
                f"FROM raw_netflix_titles AS new INNER JOIN previous_snapshot AS old "
                f"ON new.{identifier(key)} = old.{identifier(key_then)} "
                f"WHERE old.{source} IS NOT NULL"
            )
        else:
            query = (
                "SELECT avg(CAST(new.value IS NOT NULL AS INT)) FROM previous_snapshot AS old "
                f"LEFT JOIN (SELECT DISTINCT {identifier(name)} AS value FROM raw_netflix_titles) "
                f"AS new ON old.{source} = new.value WHERE old.{source} IS NOT NULL"
            )
        share = 100 * (con.execute(query).fetchone()[0] or 0)
        if share > best_share:
            best_share, best_name = share, name
    if best_share < LOOKS_RENAMED_PCT:
        return change
    how = "equal by key" if by_key else "of its values found"
    return Change(
        change.kind,
        change.column,
        f"{change.detail} {best_name!r} looks like it, renamed ({best_share:.1f} % {how}); if so, "
        f"write into [columns.{change.column}] of the contract: aliases = [{best_name!r}]",
    )


def find_unparsable_columns(con: Warehouse, contract: Contract) -> list[Change]:
    """Return a change for each typed column of which most values do not parse."""
    create_cleaning_macros(con, contract)
    typed = [column for column in contract.columns if column.type in PARSERS]
    names = {column.name: (identifier(column.name), literal(column.name)) for column in typed}
    cleaned = ", ".join(f"{clean(column)} AS {names[column.name][0]}" for column in typed)
    shares = ", ".join(
        f"count({PARSERS[column.type].format(*names[column.name])}), count({names[column.name][0]})"
        for column in typed
    )
    found = con.execute(
        f"SELECT {shares} FROM (SELECT {cleaned} FROM contract_netflix_titles LIMIT {SAMPLE_ROWS})"
    ).fetchone()
    return [
        describe_unparsable(con, column, *found[2 * at : 2 * at + 2])
        for at, column in enumerate(typed)
        if found[2 * at] * 2 < found[2 * at + 1]
    ]


def clean(column: Column) -> str:
    """Return the SQL for the cleaned value of a typed column; it is as in sql/staging.sql."""
    conform = "conform_duration" if column.type == "duration" else "conform"
    return f"{conform}(clean_text({identifier(column.name)}), {literal(column.name)})"


def describe_unparsable(con: Warehouse, column: Column, parsed: int, seen: int) -> Change:
    """Say which values do not parse, where they are, what would, and what the contract may say."""
    value = clean(column)
    parser = PARSERS[column.type].format(value, literal(column.name))
    rows = con.execute(
        f"SELECT {value}, min(source_line), count(*) FROM contract_netflix_titles "
        f"WHERE {value} IS NOT NULL AND {parser} IS NULL "
        f"GROUP BY {value} ORDER BY count(*) DESC, min(source_line) LIMIT 50"
    ).fetchall()
    shown = ", ".join(f"{printable(text)!r} (line {line})" for text, line, _ in rows[:3])
    read = ", ".join(column.formats) if column.type == "date" else READ_AS[column.type]
    line = propose_line(column, [text for text, *_ in rows])
    advice = f" The contract may say, in [columns.{column.name}]: {line}" if line else ""
    return Change(
        "retyped",
        column.name,
        f"only {parsed:,} of {seen:,} values seen are a {column.type}. Not {shown}; read are "
        f"{read}.{advice}",
        line,
    )
