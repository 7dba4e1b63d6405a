"""Bring tables of a lake format level with a published copy, each in one commit.

published.json is written last, in one rename or put: a reader who takes the version of each table
from it sees all tables of one publication. The publications before it stay readable, KEEP of them.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from mirror.difference import Change, Published, State
from mirror.storage import Folder, Store
from warehouse.database import literal

PUBLISHED, KEEP = "published.json", 7
ROW_GROUP = 122_880
THREADS = 8  # of requests that only ask which version a table has
CATALOGUE, NAMESPACE = "catalog.db", "netflix"  # of Iceberg tables
HEADS = "SELECT table_name, metadata_location FROM iceberg_tables WHERE table_namespace = ?"
MOST_FILES, MOST_DEAD = 60, 0.5  # of a table; beyond it is written whole


class Lake:
    """What mirrors in files have in common; a format says how a table is committed."""

    name = ""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.publications: list[dict[str, Any]] = []  # the newest first
        if text := store.read(PUBLISHED):
            try:
                newest = json.loads(text)
                self.publications = [newest, *newest.pop("earlier")]
            except (ValueError, KeyError, AttributeError):
                self.publications = []  # every table says itself what it is

    def heads(self, tables: Iterable[str]) -> dict[str, Any]:
        """Return the newest version of each table, as published.json names it; None: no table."""
        raise NotImplementedError

    def state(self, table: str) -> State | None:
        """Return what our newest commit of a table says; None if the newest is not ours."""
        raise NotImplementedError

    def write(self, published: Published, change: Change) -> bool:
        """Bring a table to its new state in one commit; return whether all of it was written."""
        raise NotImplementedError

    def remove_old(self) -> None:
        """Remove what no publication needs."""
        raise NotImplementedError

    def version_of(self, table: str) -> Any:
        """Return the version of a table that was published last; None if there is none."""
        newest = self.publications[0]["tables"] if self.publications else {}
        return newest.get(table, {}).get("version")

    def kept_versions(self, table: str) -> list[Any]:
        """Return the versions of a table that the kept publications have."""
        return [
            kept["tables"][table]["version"]
            for kept in self.publications
            if table in kept["tables"]
        ]

    def is_at(self, version: str) -> bool:
        """Return whether the mirror has this publication, and nobody changed a table since."""
        if not self.publications or self.publications[0]["version"] != version:
            return False
        tables = self.publications[0]["tables"]
        return self.heads(tables) == {name: entry["version"] for name, entry in tables.items()}

    def publish(self, published: Published, states: dict[str, State]) -> None:
        """Name the tables' newest versions as those that belong together."""
        heads = self.heads(states)
        entry = {
            "format": self.name,
            "version": published.version,
            "newest_snapshot_at": published.newest,
            "tables": {
                name: {"path": name, "version": heads[name], "rows": state.rows}
                | {"digest": state.digest}
                for name, state in sorted(states.items())
            },
        }
        self.publications = [entry, *self.publications][:KEEP]
        text = json.dumps(entry | {"earlier": self.publications[1:]}, indent=1)
        self.store.put(PUBLISHED, text.encode())

    def make_file(self, published: Published, change: Change, ids: dict[str, int]) -> Path:
        """Write the rows of a change to a Parquet file, and prove that they are in it.

        `ids` are the columns' numbers in the table, for a format that has them.
        """
        path = self.store.folder / f".{uuid4()}.parquet.tmp"
        self.store.on_write(str(path))
        fields = ", ".join(f"{literal(name)}: {number}" for name, number in ids.items())
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
        options += f", FIELD_IDS {{{fields}}}" if fields else ""
        published.con.execute(f"COPY ({change.query}) TO {literal(path)} ({options})")
        query = change.table.digest(f"read_parquet({literal(path)})", zoned=" AT TIME ZONE 'UTC'")
        written = published.con.execute(query).fetchone()
        if written != (change.added_rows, change.added_digest):
            raise OSError(
                f"{change.table.name}: {written[0]:,} rows were written, and they are not the "
                f"{change.added_rows:,} that are published"
            )
        return path

    def find_rows(self, names: Iterable[str], key: str, keys: Any) -> dict[str, list[int]]:
        """Return where in these data files the rows with these keys are."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        places: dict[str, list[int]] = {}
        for name in names:
            first, found = 0, []
            with pq.ParquetFile(self.store.open(name)) as file:
                for batch in file.iter_batches(ROW_GROUP, columns=[key]):
                    mask = pc.is_in(batch.column(0), value_set=keys)
                    found += [first + at for at in pc.indices_nonzero(mask).to_pylist()]
                    first += batch.num_rows
            if found:
                places[name] = found
        return places


class Catalogue(Lake):
    """A folder with Iceberg tables and their catalogue, read without PyIceberg: it loads slowly."""

    name = "iceberg"

    def __init__(self, store: Folder) -> None:
        super().__init__(store)
        self.root = store.root

    def heads(self, tables: Iterable[str]) -> dict[str, Any]:
        """Return where the newest metadata of each table is."""
        found: dict[str, str] = {}
        if (path := self.root / CATALOGUE).exists():
            nothing = suppress(sqlite3.OperationalError)  # no table of tables yet
            with nothing, closing(sqlite3.connect(path)) as con:
                found = dict(con.execute(HEADS, [NAMESPACE]).fetchall())
        return {table: found.get(table) for table in tables}


def is_scattered(files: int, rows: int, dead: int) -> bool:
    """Return whether a table would have so many files or dead rows that it is slow to read."""
    return files >= MOST_FILES or dead > MOST_DEAD * rows


def state_from(value: Any) -> State | None:
    """Read a State from the metadata of a commit; None if it is not one."""
    try:
        state = State(**{name: value[name] for name in State.__dataclass_fields__})
        int(state.digest)
        return state if isinstance(state.rows, int) else None
    except (KeyError, TypeError, ValueError):
        return None


def keys_of(published: Published, change: Change) -> Any:
    return published.con.execute(change.ended_query).to_arrow_table().column(0)


def as_metadata(state: State) -> dict[str, Any]:
    return asdict(state)


def ask_all(ask: Callable[[str], Any], tables: Iterable[str]) -> dict[str, Any]:
    names = list(tables)
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(names, pool.map(ask, names), strict=True))
