"""A model of SCD type 2 that shares no line with the product, and random histories to try both on.

A day is a list of raw records. Their values come from small pools, so that changes, flips back and
conflicting copies are common; each pool says next to the raw text what it means once it is clean.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

FIRST_DAY = dt.datetime(2020, 1, 1)
OPTIONAL = ("director", "cast", "country", "rating", "duration", "description")  # come and go

# column -> the raw texts with what they mean; several raw texts may mean the same.
POOLS = {
    "type": [("Movie", "Movie"), ("TV Show", "TV Show"), ("Movie ", "Movie")],
    "title": [("Roma", "Roma"), ("Dark", "Dark"), (" Dark", "Dark"), ("Ozark", "Ozark")],
    "director": [(None, None), ("", None), ("A, B", "A, B"), ("A,B", "A, B"), ("A", "A")],
    "cast": [(None, None), ("C", "C"), ("1:C;", "1:C;")],
    "country": [(None, None), ("India", "India"), ("Peru", "Peru")],
    "date_added": [
        (None, None),
        ("May 1, 2019", dt.date(2019, 5, 1)),
        ("2019-05-01", dt.date(2019, 5, 1)),
        ("May 2, 2019", dt.date(2019, 5, 2)),
        ("some day", None),
    ],
    "release_year": [("2018", 2018), ("2018.0", 2018), ("2019", 2019), (None, None)],
    "rating": [(None, None), ("PG", "PG"), ("R", "R")],
    "duration": [("90 min", "90 min"), ("1 Season", "1 Season"), (None, None)],
    "listed_in": [("Dramas", "Dramas"), ("Dramas, ", "Dramas"), ("Comedies", "Comedies")],
    "description": [("x", "x"), ("x  ", "x"), ("y", "y"), ("", None)],
}
COLUMNS = ("show_id", *POOLS)
SEPARATORS = r"[\x1f,;|\"\t\r\n]"
BREAKS = (("type", "Podcast"), ("type", None), ("title", " "), ("release_year", "1492"))
CLEAN = {(column, raw): clean for column, pool in POOLS.items() for raw, clean in pool}


@dataclass
class Day:
    """One snapshot: raw records (dicts), the columns that the file lacks, rejected texts."""

    rows: list[dict]
    missing: frozenset = frozenset()
    rejected: list[str] = field(default_factory=list)


def made_up(
    random: Random, keys: int, days: int, side_by_side: int = 1, by_title: bool = False
) -> list[Day]:
    """A history: each day most titles stay, some change, go, come back, break or are doubled.

    With `side_by_side` so many of them in one catalogue, which share neither keys nor titles.
    On some days ids are positions; by title there are twins, and some files have no ids at all.
    """
    names = {f"s{number}": f" {number // keys}" for number in range(keys * side_by_side)}
    titles: dict[str, dict] = {}
    found, missing = [], frozenset(name for name in OPTIONAL if random.random() < 0.1)
    for _ in range(days):
        if random.random() < 0.3:
            missing ^= {random.choice(OPTIONAL)}
        restless = random.choice((0.1, 0.4, 0.9))
        rows, rejected = [], []
        start = random.choice((None, 0, 1)) if by_title or random.random() < 0.1 else None
        lacks = missing | ({"show_id"} if by_title and random.random() < 0.15 else set())
        for name, suffix in names.items():
            fate = random.random()
            if name not in titles or (fate < restless and random.random() < 0.5):
                titles[name] = {column: random.choice(pool)[0] for column, pool in POOLS.items()}
            elif fate < restless:
                column = random.choice(list(POOLS))
                titles[name] = titles[name] | {column: random.choice(POOLS[column])[0]}
            if by_title and random.random() < 0.1:
                twin = f"s{random.randrange(keys) + int(name[1:]) // keys * keys}"
                titles[name] = dict(titles.get(twin, titles[name]))
            position = name if start is None else f"s{start + len(rows)}"
            row = {"show_id": position} | titles[name]
            row["title"] += suffix
            what = random.random()
            if what < 0.60:
                rows.append(row)
            elif what < 0.65:
                column, value = random.choice(BREAKS)
                rows.append(row | {column: value})
            elif what < 0.70:
                rows.append(row | {"show_id": random.choice((None, " "))})
            elif what < 0.75:
                rows += [row, dict(row)]  # an exact copy
            elif what < 0.80:
                column = random.choice(
                    [name for name in POOLS if name != "title"]
                )  # mostly a conflict
                rows += [row, row | {column: random.choice(POOLS[column])[0]}]
            elif what < 0.82:
                rejected.append(f'{name},Movie,"{row["title"]}')
        random.shuffle(rows)
        rows = [row | dict.fromkeys(lacks) for row in rows]
        found.append(Day(rows, lacks, rejected))
    return found


# --- the model -----------------------------------------------------------------------------------


@dataclass
class Version:
    title_id: str
    key: str
    show_id: str | None
    values: dict
    batch: str
    line: int
    operation: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None = None
    end_operation: str | None = None
    end_batch: str | None = None


DONE = {"insert": "inserted", "reappear": "reappeared", "update": "updated", "fill": "filled"}


@dataclass
class Change:
    """What one day changed: titles by operation, of how many, and those under another key."""

    previous: int
    inserted: int = 0
    reappeared: int = 0
    updated: int = 0
    deleted: int = 0
    filled: int = 0
    carried: int = 0
    moved: int = 0

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(vars(self).values())[1:-1]


@dataclass
class Record:
    """What can be read of one record; None is what cannot."""

    key: str
    show_id: str | None
    values: dict
    line: int


def plain(title: str) -> str:
    return "".join(filter(str.isalnum, title.lower())) or title.lower()


def split_words(line: str) -> set[str]:
    return {word.strip() for word in re.split(SEPARATORS, line)}


def identity(values: dict) -> tuple:
    return plain(values["title"]), values["type"], values["release_year"]


class Model:
    """SCD type 2 over dicts: what the history must be after each day."""

    def __init__(self, by_title: bool = False) -> None:
        self.by_title = by_title
        self.versions: list[Version] = []
        self.missing: frozenset | None = None  # from the last day's file
        self.merges: list[tuple] = []
        self.ambiguous: list[tuple] = []

    def live(self) -> dict[str, Version]:
        return {v.title_id: v for v in self.versions if v.valid_to is None}

    def merge(self, batch: str, at: dt.datetime, day: Day, keys: dict[int, str]) -> Change:
        """`keys` are those that the product gives records without one; any would do."""
        sound, aside = self.read(day, keys)
        gained = (self.missing or frozenset()) - day.missing
        live, ended = self.live(), {v.title_id for v in self.versions}
        words = [split_words(line) for line in day.rejected]
        change, arrived, left = Change(len(live)), [], []
        names, waiting = self.name(sound, at, day.missing)
        self.ambiguous += sorted((batch, key) for key in {key for key, _ in waiting})
        kept = {title_id for _, title_id in waiting}
        for title_id, record in names.items():
            old, values = live.get(title_id), record.values
            if old:  # what the file does not have it knows nothing about
                values = values | {name: old.values[name] for name in day.missing - {"show_id"}}
                show_id = old.show_id if "show_id" in day.missing else record.show_id
                first = {name for name in gained if name in values and old.values[name] is None}
                different = {name for name in values if old.values[name] != values[name]}
                if not different:
                    old.key, old.show_id = record.key, show_id
                    continue
                operation = "fill" if different <= first else "update"
                self.end(old, at, batch, "update")
                if operation == "update" and self.sign(old) != self.sign(record):
                    left.append(old)
            else:
                show_id = record.show_id
                operation = "reappear" if title_id in ended else "insert"
            self.versions.append(
                Version(title_id, record.key, show_id, values, batch, record.line, operation, at)
            )
            setattr(change, DONE[operation], getattr(change, DONE[operation]) + 1)
            if operation != "fill":
                arrived.append(record)
        for title_id, old in live.items():
            if title_id in names:
                continue
            searched = split_words(old.values["title"] if self.by_title else old.key)
            if (
                title_id in kept
                or any(self.may_be(old, record) for record in aside)
                or any(searched <= found for found in words)
            ):
                change.carried += 1
                continue
            self.end(old, at, batch, "delete")
            change.deleted += 1
            left.append(old)
        now = len(self.live())
        unchanged = now - sum(change.counts) + change.deleted
        self.merges.append((batch, at, len(live), *change.counts, unchanged, now))
        self.missing = day.missing
        change.moved = sum(
            any(self.sign(old) == self.sign(new) and old.key != new.key for new in arrived)
            for old in left
        )
        return change

    def sign(self, one: Version | Record) -> tuple:
        """Return what a person would take for exactly the same title."""
        return tuple(one.values[name] for name in ("title", "type", "release_year"))

    def end(self, version: Version, at: dt.datetime, batch: str, operation: str) -> None:
        version.valid_to, version.end_batch, version.end_operation = at, batch, operation

    def may_be(self, old: Version, record: Record) -> bool:
        """Whether a record that was set aside may be this title."""
        title = record.values["title"]
        if not self.by_title:
            return record.key == old.key or (not record.key and title == old.values["title"])
        alike = [
            record.values[name] in (None, old.values[name]) for name in ("type", "release_year")
        ]
        if title is None:
            about = record.values["description"]
            same = about is not None and about == old.values["description"]
            return record.key == old.key or (all(alike) and same)
        return all(alike) and plain(title) == plain(old.values["title"])

    def name(self, sound: dict[str, Record], at: dt.datetime, missing: frozenset) -> tuple:
        """(title id -> record, pairs of key and title id that nothing tells apart)."""
        if not self.by_title:
            return sound, []
        last = {v.title_id: v for v in sorted(self.versions, key=lambda v: v.valid_from)}
        known = {title_id: v for title_id, v in last.items() if v.valid_to is None}
        gone = {title_id: v for title_id, v in last.items() if v.valid_to}
        todo, names = dict(sound), {}

        def seen(one: Record | Version, *columns: str) -> tuple:
            return tuple(one.values[name] for name in columns if name not in missing)

        def pair(key: str, title_id: str) -> None:
            names[title_id] = todo.pop(key)
            known.pop(title_id, None)

        def pair_single(sign: Callable, others: dict[str, Version]) -> None:
            """Pair those of which there is one on each side."""
            sides: dict[tuple, tuple[list, list]] = {}
            for key, record in todo.items():
                sides.setdefault(sign(record), ([], []))[0].append(key)
            for title_id, version in others.items():
                sides.setdefault(sign(version), ([], []))[1].append(title_id)
            for keys, title_ids in sides.values():
                if len(keys) == len(title_ids) == 1:
                    pair(keys[0], title_ids[0])

        for key in sorted(todo):  # the same content under the same key
            same = [
                title_id
                for title_id, version in known.items()
                if version.key == key and seen(version, *POOLS) == seen(todo[key], *POOLS)
            ]
            if same:
                pair(key, min(same))
        for key in sorted(todo):  # twins, in their order
            same = [
                title_id
                for title_id, version in known.items()
                if seen(version, *POOLS) == seen(todo[key], *POOLS)
            ]
            if same:
                pair(key, min(same))
        people = ("director", "cast")

        def by_people(one: Record | Version) -> tuple:
            return identity(one.values), tuple(name or "" for name in seen(one, *people))

        pair_single(lambda one: (one.key, by_people(one)), known)
        pair_single(by_people, known)
        pair_single(lambda one: identity(one.values), known)
        for key, record in list(todo.items()):  # corrected under the same key
            same = [
                title_id
                for title_id, version in known.items()
                if version.key == key
                and any(
                    any(seen(record, *columns)) and by_people(record)[1:] == by_people(version)[1:]
                    if columns == people
                    else any(seen(record, *columns))
                    and seen(record, *columns) == seen(version, *columns)
                    for columns in (people, ("description",))
                )
            ]
            if len(same) == 1:
                pair(key, same[0])
        taken = {identity(version.values) for version in known.values()}
        back = {t: v for t, v in gone.items() if identity(v.values) not in taken}
        pair_single(lambda one: identity(one.values), back)
        waiting = [
            (key, title_id)
            for key, record in todo.items()
            for title_id, version in known.items()
            if identity(record.values) == identity(version.values)
        ]
        for key in set(todo) - {key for key, _ in waiting}:
            new = hashlib.md5(f"{key}|{at}".encode()).hexdigest()[:16]
            names[f"t{new}"] = todo[key]
        return names, waiting

    def read(self, day: Day, keys: dict[int, str]) -> tuple[dict[str, Record], list[Record]]:
        """(the sound records by their keys, those that were set aside)."""
        candidates: dict[str, list[tuple[Record, str]]] = {}
        aside = []
        for line, row in enumerate(day.rows, 2):
            show_id = (row["show_id"] or "").strip() or None
            key = keys[line] if "show_id" in day.missing else show_id
            broken = {column for column, value in BREAKS if row[column] == value}
            values = {
                column: None if column in broken else CLEAN.get((column, row[column]))
                for column in POOLS
            }
            if "title" not in broken:
                values["title"] = row["title"].strip()
            record = Record(key or "", show_id, values, line)
            if not key or broken:
                aside.append(record)
                continue
            # A text that is no date is NULL above; a copy without it says something else.
            lost = row["date_added"] if values["date_added"] is None else None
            candidates.setdefault(key, []).append((record, (lost or "").strip()))
        sound = {}
        for key, copies in candidates.items():
            if len({(repr(one.values), lost) for one, lost in copies}) == 1:
                sound[key] = copies[0][0]
            else:
                aside += [one for one, _ in copies]
        return sound, aside

    def rows(self) -> list[tuple]:
        """The version table, as HISTORY selects it."""
        ordered = sorted(self.versions, key=lambda version: (version.title_id, version.valid_from))
        return [
            (
                v.title_id,
                v.key,
                v.show_id,
                *(v.values[name] for name in POOLS),
                v.batch,
                v.line,
                v.operation,
                v.valid_from,
                v.valid_to,
                v.valid_to is None,
                v.end_operation,
                v.end_batch,
            )
            for v in ordered
        ]

    def changes(self) -> list[tuple]:
        """The change feed, as CHANGES selects it: a view over the versions."""
        found, before = [], {}
        for v in sorted(self.versions, key=lambda version: version.valid_from):
            if v.operation in ("update", "fill"):
                old = before[v.title_id].values
                found += [
                    (
                        v.batch,
                        v.valid_from,
                        v.title_id,
                        v.operation,
                        name,
                        text(old[name]),
                        text(value),
                    )
                    for name, value in v.values.items()
                    if old[name] != value
                ]
            else:
                title = v.values["title"]
                found.append((v.batch, v.valid_from, v.title_id, v.operation, None, None, title))
            if v.end_operation == "delete":
                title = v.values["title"]
                found.append((v.end_batch, v.valid_to, v.title_id, "delete", None, title, None))
            before[v.title_id] = v
        return sorted(found, key=repr)


@dataclass
class Archive:
    """All snapshots that came, what was decided on each, and the history that follows from it.

    A day is known by its number, which says when it was; days come in any order. The guard is here
    once more, in its own words: so many titles, and so large a share of them, are too many.
    """

    by_title: bool
    allowed: dict[str, tuple[int, float]]  # what -> (titles, percent) that no day may exceed both
    batches: dict[int, tuple[str, dt.datetime, Day, dict[int, str]]] = field(default_factory=dict)
    verdicts: dict[int, str] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    model: Model = field(default_factory=Model)

    @property
    def refused(self) -> set[int]:
        """The days that are left out until they are accepted or withdrawn."""
        refused = {number for number, verdict in self.verdicts.items() if verdict == "refused"}
        return refused - self.withdrawn

    def add(self, number: int, batch: str, at: dt.datetime, day: Day, keys: dict) -> None:
        self.batches[number] = batch, at, day, keys
        self.asked_last = number

    def run(self, accept: int | None = None) -> int | None:
        """One run of the merge; the day that it stops at, as it was asked for that one."""
        there = sorted(self.batches.keys() - self.withdrawn)
        asked = {there[-1]}
        if self.asked_last in there and self.asked_last not in self.verdicts:
            asked.add(self.asked_last)
        judged = {n for n, verdict in self.verdicts.items() if verdict != "refused"}
        todo = [n for n in there if n in judged | asked | {accept} or n not in self.verdicts]
        while True:
            model, at_fault = self.merge(todo, judged, accept)
            if at_fault is None:
                self.model = model
                return None
            self.verdicts[at_fault] = "refused"
            if at_fault in asked:
                return at_fault
            todo.remove(at_fault)

    def merge(
        self, todo: list[int], judged: set[int], accept: int | None
    ) -> tuple[Model, int | None]:
        """Merge these days; the one that is at fault if one changes too much, else None."""
        model, late = Model(self.by_title), None
        for number in todo:
            change = model.merge(*self.batches[number])
            let_in = number == accept or self.verdicts.get(number) == "accepted"
            answers = number if number not in judged else None if let_in else late
            if answers is not None and self.changes_too_much(change):
                if answers != accept and self.verdicts.get(answers) != "accepted":
                    return model, answers
                self.verdicts[answers] = "accepted"
            self.verdicts.setdefault(number, "passed")
            if self.verdicts[number] == "refused":
                self.verdicts[number] = "passed"
            late = None if number in judged else number
        return model, None

    def changes_too_much(self, change: Change) -> bool:
        """Whether the guard stops that; the first load has nothing to compare with."""
        found = {
            "deleted": change.deleted,
            "inserted": change.inserted + change.reappeared,
            "updated": change.updated,
            "moved": 0 if self.by_title else change.moved,
        }
        return change.previous > 0 and any(
            count > rows and 100 * count > percent * change.previous
            for (rows, percent), count in ((self.allowed[what], found[what]) for what in found)
        )


def text(value: object) -> str | None:
    return None if value is None else str(value)


HISTORY = (
    "SELECT title_id, business_key, show_id, "
    + ", ".join(f'"{name}"' for name in POOLS)
    + ", batch_id, source_line, operation, valid_from, valid_to, is_current, end_operation, "
    "end_batch_id FROM analytics_netflix_history ORDER BY title_id, valid_from"
)
MERGES = (
    "SELECT batch_id, snapshot_at, previous_rows, inserted, reappeared, updated, deleted, filled, "
    "carried, unchanged, current_rows FROM ops_merges ORDER BY snapshot_at"
)
CHANGES = (
    "SELECT batch_id, changed_at, title_id, operation, column_name, old_value, new_value "
    "FROM cdc_netflix_changes"
)
AMBIGUOUS = "SELECT batch_id, business_key FROM ops_ambiguous_matches ORDER BY ALL"
AS_OF = (
    "SELECT title_id, "
    + ", ".join(f'"{name}"' for name in POOLS)
    + ", valid_from FROM catalog_as_of(?::TIMESTAMP) ORDER BY title_id"
)
# Each must find nothing, whatever came before; version_id and the hashes are checked here only.
INVARIANTS = {
    "one current version per title": "SELECT title_id FROM analytics_netflix_history "
    "WHERE is_current GROUP BY title_id HAVING count(*) > 1",
    "no overlap": "SELECT a.title_id FROM analytics_netflix_history AS a "
    "INNER JOIN analytics_netflix_history AS b ON a.title_id = b.title_id "
    "AND a.valid_from < b.valid_from AND (a.valid_to IS NULL OR a.valid_to > b.valid_from)",
    "valid_from < valid_to": "SELECT title_id FROM analytics_netflix_history "
    "WHERE valid_to <= valid_from",
    "current is open": "SELECT title_id FROM analytics_netflix_history "
    "WHERE is_current <> (valid_to IS NULL)",
    "version_id is unique": "SELECT version_id FROM analytics_netflix_history "
    "GROUP BY version_id HAVING count(*) > 1",
    "two versions in a row differ": "SELECT a.title_id FROM analytics_netflix_history AS a "
    "INNER JOIN analytics_netflix_history AS b ON a.title_id = b.title_id "
    "AND a.valid_to = b.valid_from AND "
    + " AND ".join(f'a."{name}" IS NOT DISTINCT FROM b."{name}"' for name in POOLS),
}
