"""Nights to mirror, and what a mirror holds, read by the libraries of its format."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import duckdb
from conftest import CHAIN, PROJECT, Pipeline, empty_database
from titles import catalogue, title

SHOWN_BY_THE_HISTORY = ("analytics_netflix_current", "dim_title")
BUILD = ("08_build_analytics", "09_publish")
SETTINGS = {"NEWEST_TITLE_DAYS": "36500", "FRESHNESS_DAYS": "36500", "MAX_RUN_AGE_HOURS": "99999"}
SETTINGS |= {f"MAX_{what}_ROWS": "9999" for what in ("INSERTED", "UPDATED", "DELETED")}
Rows = list[tuple]


class Nights:
    """A small catalogue that lives; the copy that each night published is kept in `folder`."""

    def __init__(self, folder: Path, seed: int = 32) -> None:
        self.pipeline = Pipeline(folder / "work", SETTINGS)
        self.pipeline.root.mkdir(parents=True)
        self.kept, self.dice, self.day = folder / "nights", Random(seed), 1
        self.is_dated = True
        self.titles = {number: self.make(number) for number in range(1, 41)}

    def make(self, number: int) -> dict[str, str]:
        pick = self.dice.choice
        return title(
            number,
            country=pick(("Norway", "Norway, Japan", "India", "")),
            cast=pick(("Ann Lee, Bo Ek", "Cy Ek", "Di Lee, Ann Lee", "", f"Person {number}")),
            rating=pick(("PG", "R", "TV-MA", "")),
            description=pick(("Plain.", 'Øre, "quoted" and a\nline', f"Of {number}.")),
        )

    def change(self) -> str:
        """Change five titles, drop two, add three; return the new catalogue."""
        for number in self.dice.sample(sorted(self.titles), 5):
            self.titles[number] = self.make(number)
        for number in self.dice.sample(sorted(self.titles), 2):
            del self.titles[number]
        for number in (*range(200 + 3 * self.day, 203 + 3 * self.day), self.dice.randint(1, 40)):
            self.titles[number] = self.make(number)
        return catalogue(*self.titles.values())

    def night(self, text: str | None = None, at: int = 0, **settings: str) -> None:
        """Take in a catalogue, by default a changed one, or none; keep what is published."""
        self.day += 2
        source = {"NETFLIX_CSV": self.pipeline.put(text if text is not None else self.change())}
        source |= {"SNAPSHOT_AT": f"2020-02-{at or self.day:02}"} if self.is_dated else {}
        self.run(*CHAIN, *BUILD, **source, **settings)

    def run(self, *steps: str, **settings: str) -> None:
        for step in steps:
            done = self.pipeline.step(*step.split(), **settings)
            assert done.returncode == 0, (step, done.stderr)
        if steps[-1] == BUILD[-1]:
            self.keep()

    def keep(self) -> None:
        version = (self.pipeline.root / "data/published/current").resolve()
        number = len(list(self.kept.glob("*")))
        shutil.copytree(version, self.kept / f"{number:02}" / version.name)


def live_two_nights(first: Pipeline, folder: Path) -> None:
    """A night that was published already, and one that changes, drops and adds titles."""
    nights = Nights(folder)
    nights.pipeline.copy_of(first)
    nights.is_dated = False  # the first was of its own time
    nights.keep()
    nights.night(catalogue(*map(title, range(3, 45)), title(1, rating="R", cast="Cy Ek")))


def live_three_nights(folder: Path) -> None:
    """Two nights, and then a file that came late."""
    nights = Nights(folder)
    nights.night()
    nights.night()
    nights.night(at=4)


def live_ten_nights(folder: Path) -> None:
    """Ten nights with all that happens to a history."""
    nights = Nights(folder)
    for _ in range(3):
        nights.night()
    nights.night(at=4)  # a late file
    nights.night()
    third = nights.pipeline.batches()[2]["batch_id"]
    nights.run(f"history/withdraw withdraw {third}", *CHAIN[4:], *BUILD)
    nights.night()
    (nights.pipeline.root / "dw.db").unlink()
    nights.run("10_rebuild_warehouse", *CHAIN[3:], *BUILD)
    contract = nights.pipeline.root / "contract.toml"
    text = (PROJECT / "sql/contract.toml").read_text()
    contract.write_text(f'{text}\n[columns.score]\ntype = "number"\nrequired = false\n')
    nights.pipeline.settings = nights.pipeline.settings | {"CONTRACT_PATH": str(contract)}
    rows = [row | {"score": str(number % 7)} for number, row in nights.titles.items()]
    nights.night(catalogue(*rows), ACCEPT="")
    nights.night(catalogue(*[row | {"score": "1"} for row in rows[:30]]))


def live_the_real_pair(real_data: Path, folder: Path) -> None:
    """The two real files of the same ids."""
    nights = Nights(folder)
    for month, at in (("2019-11", "2019-11-30"), ("2020-01", "2020-01-18")):
        csv = str(real_data / f"netflix_titles_{month}.csv")
        nights.run(*CHAIN, *BUILD, NETFLIX_CSV=csv, SNAPSHOT_AT=at)


class Mirrored:
    """A pipeline whose published copy is that of one of the nights, and a mirror of it."""

    def __init__(self, root: Path, nights: Path, format_name: str) -> None:
        self.pipeline = Pipeline(root)
        self.nights = sorted(nights.glob("nights/*/*"))
        self.root, self.format = root / "mirror", format_name
        self.url = f"{format_name}://{self.root}"

    def show(self, night: int) -> None:
        """Publish the copy of a night."""
        published = self.pipeline.root / "data/published"
        published.mkdir(parents=True, exist_ok=True)
        link = published / "next"
        link.symlink_to(self.nights[night])
        os.replace(link, published / "current")

    def run(self, night: int, **settings: str) -> Any:
        self.show(night)
        return self.pipeline.step("12_mirror", **{"MIRROR_URL": self.url} | settings)

    def published(self) -> dict[str, Rows]:
        return published_rows(self.pipeline.root / "data/published/current/netflix.duckdb")

    def files(self) -> dict[str, int]:
        """Size of each file of the mirror."""
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.stat().st_size for path in paths}


# Each writer is a process of its own that never used delta-rs: its threads do not outlive a fork.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(
    ["pytest", "duckdb", "pyarrow.dataset", "deltalake", "pyiceberg.table"]
)


def mirror_until_write(pipeline: Pipeline, url: str, number: int, names: set[str]) -> None:
    """Mirror some tables of what is published; die before a write, as SIGKILL does."""
    from mirror import difference, run

    list_tables, bring_level, left = difference.list_tables, run.bring_level, number

    def count_down(_: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def bring_level_until_write(settings, version, store, scheme):
        store.on_write = count_down
        return bring_level(settings, version, store, scheme)

    difference.list_tables = lambda con: [t for t in list_tables(con) if t.name in names]
    run.bring_level = bring_level_until_write
    done = pipeline.step("12_mirror", MIRROR_URL=url)
    print(done.stderr, file=sys.stderr, end="")
    raise SystemExit(done.returncode)


def published_rows(path: Path) -> dict[str, Rows]:
    """The rows of all that is mirrored of a published copy."""
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL "
            "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        return {
            name: sort(con.execute(f'FROM "{name}"').fetchall())
            for (name,) in names
            if name not in SHOWN_BY_THE_HISTORY
        }


def sort(rows: Iterable[tuple]) -> Rows:
    return sorted(rows, key=repr)


def digests(tables: dict[str, Rows]) -> dict[str, tuple[int, str]]:
    """Number of rows and SHA-256 of all of them, of each table."""
    return {
        name: (len(rows), hashlib.sha256(repr(rows).encode()).hexdigest())
        for name, rows in tables.items()
    }


def read_published(root: Path) -> dict[str, Any]:
    return json.loads((root / "published.json").read_text())


def mirror_rows(root: Path, publication: dict[str, Any] | None = None) -> dict[str, Rows]:
    """The rows of each table in the version that a publication names, by default the newest."""
    publication = publication or read_published(root)
    read = {"delta": read_delta, "iceberg": read_iceberg}[publication["format"]]
    return {
        name: read(root / entry["path"], entry["version"])
        for name, entry in publication["tables"].items()
    }


def read_delta(path: Path, version: int) -> Rows:
    from deltalake import DeltaTable

    return arrow_rows(DeltaTable(path, version=version).scan())


def read_iceberg(_: Path, location: str) -> Rows:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyiceberg.table import StaticTable

        return arrow_rows(StaticTable.from_metadata(location).scan().to_arrow())


def arrow_rows(found: Any) -> Rows:
    """The rows of what a library gives as Arrow; times in UTC, without their zone."""
    with empty_database().cursor() as con:  # a new instance costs 17 ms
        con.register("read", found)
        kinds = con.execute("SELECT column_name, column_type FROM (DESCRIBE FROM read)").fetchall()
        columns = ", ".join(
            f'"{name}"{" AT TIME ZONE " + repr("UTC") if "TIME ZONE" in kind else ""}'
            for name, kind in kinds
        )
        return sort(con.execute(f"SELECT {columns} FROM read").fetchall())


def data_files(root: Path, format_name: str, entry: dict[str, Any]) -> int:
    """The number of files that hold a table's rows in a version."""
    if format_name == "delta":
        from deltalake import DeltaTable

        return len(DeltaTable(root / entry["path"], version=entry["version"]).file_uris())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyiceberg.table import StaticTable

        return len(list(StaticTable.from_metadata(entry["version"]).scan().plan_files()))
