"""Random nights of every kind; then the warehouse is lost, and rebuilt from data/ alone.

The history of the live warehouse and the rebuilt one are compared by content, all columns of it.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from conftest import PROJECT, title
from histories import History, content

from contract import load_contract
from errors import Refused
from history.contract_edit import require_judged_contract
from history.merge import merge_pending
from history.pending import Pending, find_pending
from history.tables import create_tables
from ingest.decisions import find_verdict, record_decision
from ingest.manifest import list_batches
from ingest.state import load_state
from runner.step import Step
from warehouse import database

STRICT = {
    f"MAX_{what}_{unit}": "1"
    for what in ("INSERTED", "UPDATED", "DELETED")
    for unit in ("ROWS", "PCT")
}
LOOSE = {name: "100" for name in STRICT}
CONTRACT = (PROJECT / "sql/contract.toml").read_text()
EDITS = (  # each changes staged values where the file has such; the last three never do
    ("director", "tracked = false"),
    ("director", 'null_markers = ["NA"]'),
    ("director", 'separator = "|"'),
    ("cast", 'aliases = ["actors", "stars"]'),
    ("rating", 'allowed = ["PG", "R"]'),
    ("rating", 'values = {X = "R"}'),
    ("country", "nullable = false"),
    ("date_added", 'formats = ["%B %d, %Y", "%d.%m.%Y"]'),
    ("release_year", "earliest = 2000"),
    ("duration", 'unit = "minutes"'),
    ("listed_in", "brackets = true"),
    ("country", 'aliases = ["countries", "lands"]'),
    ("duration", "minutes = [2, 1000]"),
    ("listed_in", "# a comment"),
)
DRAWN = {
    *("late", "refused", "let pass by ACCEPT", "let pass by a limit", "withdrawn", "restored"),
    *("edit passed", "edit refused", "edit accepted", "edit put back"),
}


def edit_contract(text: str, column: str, line: str) -> str:
    """Add the line to the column, in place of one of the same property; or take it out again."""
    head, rest = text.split(f"[columns.{column}]\n", 1)
    body, *others = rest.split("\n\n", 1)
    name = line.partition(" = ")[0]
    was = [entry for entry in body.splitlines() if entry.partition(" = ")[0] == name]
    default = [
        entry
        for entry in CONTRACT.split(f"[columns.{column}]\n", 1)[1].split("\n\n", 1)[0].splitlines()
        if entry.partition(" = ")[0] == name
    ]
    new = default if was == [line] else [line]
    kept = [entry for entry in body.splitlines() if entry not in was]
    return "\n\n".join([f"{head}[columns.{column}]\n" + "\n".join([*kept, *new]), *others])


def make_rows(random: Random, titles: dict[int, dict]) -> list[dict[str, str]]:
    """Change, drop and add some titles; one in ten has a value that no contract takes."""
    for number in range(1, 9):
        fate = random.random()
        if fate < 0.2:
            titles.pop(number, None)
        elif fate < 0.5 or number not in titles:
            titles[number] = title(
                number,
                rating=random.choice(("PG", "R", "X")),
                director=random.choice(("", "Ann", "Bo", "NA", "Ann|Bo")),
                country=random.choice(("", "Norway", "Norway")),
                date_added=random.choice(("September 25, 2021", "05.01.2021")),
                release_year=random.choice(("2020", "1990")),
                duration=random.choice(("90 min", "90", "1 min")),
                listed_in=random.choice(("Dramas", "['Dramas', 'Comedies']")),
            )
    rows = [dict(row) for row in titles.values()] or [title(1)]
    if random.random() < 0.3:
        rows[0]["type"] = "Opera"
    if random.random() < 0.3:  # another name of the column, which an edit may take
        rows = [
            {"stars" if name == "cast" else name: text for name, text in row.items()}
            for row in rows
        ]
    return rows


def merge(history: History, **settings: str) -> str | None:
    """Merge what waits; if it is refused, return the code that would let it pass."""
    try:
        history.merge(**settings)
        return None
    except Refused as error:
        return str(error).rpartition("ACCEPT=")[2][:12]


def play(
    folder: Path, random: Random, nights: int, edits: Iterator[tuple[str, str]], drawn: Counter
) -> History:
    """Play nights; each may be late, refused, accepted, withdrawn, restored, or have an edit."""
    folder.mkdir(exist_ok=True)
    contract = folder / "contract.toml"
    contract.write_text(CONTRACT)
    history = History(folder, CONTRACT_PATH=str(contract))
    titles: dict[int, dict] = {}
    days = random.sample(range(1, 4 * nights), nights)
    for night, day in enumerate(sorted(days) if random.random() < 0.7 else days):
        limits = random.choice((STRICT, STRICT, LOOSE))
        drawn["late"] += bool(night) and day < max(days[:night])
        history.land(make_rows(random, titles), day)
        code = merge(history, **limits)
        drawn["refused"] += bool(code)
        if code and random.random() < 0.6:
            name, way = random.choice((("ACCEPT", limits | {"ACCEPT": code}), ("a limit", LOOSE)))
            drawn[f"let pass by {name}"] += not merge(history, **way)
        state = load_state(history.settings)
        batches = list_batches(state)
        if night and random.random() < 0.15:
            out = [b for b in batches if find_verdict(history.settings, b) == "withdrawn"]
            batch = random.choice(out if out and random.random() < 0.5 else batches)
            is_out = batch in out
            verdict = "restored" if is_out else "withdrawn"
            if is_out or len(batches) - len(out) > 1:
                drawn[verdict] += 1
                record_decision(history.settings, batch, verdict, "by hand")
                merge(history, **limits)
        if night and random.random() < 0.25:
            before = contract.read_text()
            edit = next(edits)
            drawn[edit] += 1
            contract.write_text(edit_contract(before, *edit))
            code = merge(history, **limits)
            drawn["edit refused" if code else "edit passed"] += 1
            is_turn = drawn["edit accepted"] <= drawn["edit put back"]
            if code and is_turn and not merge(history, **limits, ACCEPT=code):
                drawn["edit accepted"] += 1
            elif code:
                drawn["edit put back"] += 1
                contract.write_text(before)  # nobody accepted it
    # A contract that was put back, a snapshot that only strict limits refused.
    merge(history, **LOOSE)
    return history


def rebuild(history: History, **settings: str) -> dict[str, list[tuple]]:
    """Do what step 10 does after the loss of the warehouse, in a warehouse in memory."""
    ours = replace(history.settings, **settings)
    con = database.connect(":memory:", ours, [ours.data_dir, PROJECT / "sql"])
    database.run_file(con, "ops.sql")
    step, contract = (
        Step("rebuild", ours, "test", logging.Logger("test"), con),
        load_contract(ours.contract_path, ours.cdc_key),
    )
    state = load_state(ours)
    batches = [b for b in list_batches(state) if find_verdict(ours, b) != "withdrawn"]
    with database.transaction(con):
        create_tables(con)
        pending = find_pending(con, batches, ours, contract)
        todo = [b for b in pending.todo if find_verdict(ours, b, ours.cdc_key) != "refused"]
        judged = [b for b in todo if b.batch_id in pending.judged]
        require_judged_contract(ours, contract, judged)
        merge_pending(step, con, batches, contract, Pending(todo, pending.judged))
    return content(con)


def check(folder: Path, seed: int, nights: int, edits: Iterator, drawn: Counter) -> None:
    history = play(folder, Random(seed), nights, edits, drawn)
    before = history.content()
    assert rebuild(history, max_deleted_rows=0, max_deleted_pct=0, max_updated_rows=0) == before


@pytest.mark.parametrize("seed", range(10))
def test_a_lost_warehouse_is_rebuilt_as_it_was(tmp_path, seed):
    check(tmp_path, seed, 6, cycle(EDITS[seed:] + EDITS[:seed]), Counter())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_300_of_8_nights_and_20_of_30_are_rebuilt_as_they_were(tmp_path, part):
    edits, drawn = cycle(EDITS), Counter()
    for seed in range(15):
        check(tmp_path / f"{seed}", 1000 + 15 * part + seed, 8, edits, drawn)
    check(tmp_path / "long", 2000 + part, 30, edits, drawn)
    assert {what for what, times in drawn.items() if times} == {*DRAWN, *EDITS}, drawn
