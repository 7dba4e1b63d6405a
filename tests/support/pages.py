"""Made-up nights of a small catalogue, and the page of each state that a page can be in."""

import random
import re
import shutil
import zlib
from base64 import b64decode
from contextlib import closing
from dataclasses import dataclass
from json import loads
from pathlib import Path
from unittest import mock

import duckdb
from conftest import CHAIN, Pipeline
from titles import catalogue, title

from config import load_settings
from publish import page_cells, page_data
from publish.dashboard import build_dashboard
from publish.exports import list_published_tables
from warehouse.database import connect

GENRES = (
    "Dramas", "Comedies", "Documentaries", "Action & Adventure", "Kids' TV", "Thrillers",
    "Horror Movies", "Stand-Up Comedy",
)  # fmt: skip
COUNTRIES = ("United States", "India", "Norway", "Japan", "Brazil", "France", "Kenya")
RATINGS = ("TV-Y", "G", "PG", "TV-PG", "PG-13", "TV-14", "R", "TV-MA", "")
PEOPLE = tuple(f"{first} {last}" for first in ("Ann", "Bo", "Cy", "Di") for last in ("Lee", "Ek"))
HOSTILE = (
    "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "=cmd|'/c calc'!A1",
    "\u202etxt.exe", 'quote " and \' both', "%DATA% %SCRIPT%",
)  # fmt: skip
DAYS = ("2026-01-01", "2026-01-08", "2026-02-01")


def make_up(number: int, dice: random.Random) -> dict[str, str]:
    """One title with a bit of everything, also of what is missing."""
    is_movie, year = dice.random() < 0.7, dice.choice((1950, 1999, *range(2005, 2025)))
    month = dice.choice(("January", "March", "July", "December"))
    return title(
        number,
        type="Movie" if is_movie else "TV Show",
        title=f"Title {number} of {dice.choice(('summer', 'winter', 'İstanbul'))}",
        director=dice.choice((*PEOPLE, "", "")),
        cast=", ".join(dice.sample(PEOPLE, dice.randint(1, 4))),
        country=", ".join(dice.sample(COUNTRIES, dice.choice((0, 1, 1, 2, 3)))),
        date_added=dice.choice((f"{month} {dice.randint(1, 28)}, {dice.randint(2016, 2025)}", "")),
        release_year=str(year),
        rating=dice.choice(RATINGS),
        duration=f"{dice.randint(40, 240)} min" if is_movie else f"{dice.randint(1, 9)} Seasons",
        listed_in=", ".join(dice.sample(GENRES, dice.randint(1, 3))),
    )


def make_nights(count: int = 160) -> list[list[dict[str, str]]]:
    """Three nights: all, then some new, changed and gone, then some that come back."""
    dice = random.Random(30)
    first = [make_up(number, dice) for number in range(1, count + 1)]
    for number, text in enumerate(HOSTILE):
        first[number] |= {"title": text, "director": text.replace(",", " ")}
    second = [
        record | {"date_added": record["date_added"] or "May 5, 2025"} for record in first[4:]
    ]
    second += [make_up(number, dice) for number in range(count + 1, count + 11)]
    third = [
        record | {"rating": "R"} if record["rating"] == "PG-13" else record for record in second
    ]
    # One of the two that are gone comes as another title: its name and type, another year.
    renewed = second[-1] | {"show_id": f"s{count + 99}", "release_year": "1951"}
    third = [*first[:2], *third[:-2], renewed]
    return [first, second, third]


@dataclass
class Site:
    """Pages by state, and the published copies that they are of."""

    pipeline: Pipeline

    @property
    def folder(self) -> Path:
        return self.pipeline.root / "pages"

    def copy(self, state: str) -> Path:
        return self.folder / f"{state}.duckdb"

    def page(self, state: str) -> Path:
        return self.folder / f"{state}.html"

    def query(self, sql: str, state: str = "third") -> list[tuple]:
        with duckdb.connect(str(self.copy(state)), read_only=True) as con:
            return con.execute(sql).fetchall()

    def build(self, state: str, copy: str = "third", sample: bool = False, **limits: int) -> None:
        """Build the page of a published copy, with other limits of page_data.py."""
        settings = load_settings(self.pipeline.environment | {"FRESHNESS_DAYS": "7"})
        with (
            mock.patch.dict(vars(page_data), {**vars(page_data), **limits}),
            mock.patch.dict(vars(page_cells), {**vars(page_cells), **limits}),
            closing(connect(self.copy(copy), settings, read_only=True)) as con,
        ):
            batches = con.execute("SELECT batch_id FROM ops_merges").fetchall()
            origins = {batch: ("catalogue.csv", sample) for (batch,) in batches}
            html = build_dashboard(con, list_published_tables(con), settings, origins)
        self.page(state).write_text(html, encoding="utf-8")


def number_otherwise(site: Site) -> None:
    """A page where the file's ids are not the titles', and where a check names some of them."""
    shutil.copy(site.copy("third"), site.copy("other ids"))
    with duckdb.connect(str(site.copy("other ids"))) as con:
        con.execute("UPDATE analytics_netflix_history SET show_id = replace(title_id, 's', 'f')")
        con.execute(
            "UPDATE ops_checks SET verdict = 'warn', row_count = 3, description = ? "
            "WHERE check_name = 'no_mojibake'",
            ["A text is UTF-8 that was read as Latin-1."],
        )
        con.execute(
            "INSERT INTO ops_check_failures SELECT arg_max(run_id, rowid), 'no_mojibake', "
            "unnest([1, 2, 3]), unnest(['title_id=s5, title=a, s6=b', 'example=f7, titles=5', "
            "'show_id=f999']) FROM ops_checks"
        )
    site.build("other ids", "other ids")


def build_site(pipeline: Pipeline) -> Site:
    """Run three nights, one in which nothing changed and one that is held back."""
    site = Site(pipeline)
    site.folder.mkdir()
    published = pipeline.root / "data" / "published"

    def run(records: list, day: str, state: str, damage: str = "") -> None:
        settings = {"SNAPSHOT_AT": day, "MAX_DELETED_ROWS": "99", "FRESHNESS_DAYS": "36500"}
        source = pipeline.put(catalogue(*records))
        done = pipeline.steps(*CHAIN[:-1], NETFLIX_CSV=source, **settings)
        assert done.returncode == 0, done.stderr
        if damage:
            with duckdb.connect(str(pipeline.root / "dw.db")) as con:
                con.execute(damage)
        done = pipeline.steps(CHAIN[-1], "08_build_analytics", "09_publish", **settings)
        assert done.returncode == (30 if damage else 0), done.stderr
        shutil.copy(published / "netflix.duckdb", site.copy(state))
        shutil.copy(published / "dashboard.html", site.page(state))

    nights = make_nights()
    for state, day, records in zip(("first", "second", "third"), DAYS, nights, strict=True):
        run(records, day, state)
    run(nights[-1][::-1], "2026-02-08", "nothing changed")
    game = "UPDATE analytics_netflix_history SET type = 'Game' WHERE show_id = 's5'"
    run(nights[-1][:-1], "2026-02-15", "held", game)
    site.build("stale")
    site.build("sample", sample=True)
    site.build("cube", MAX_VERSIONS=10)
    site.build("merged", MAX_VERSIONS=10, MAX_CELLS=60)
    site.build("short", MAX_VERSIONS=175)
    number_otherwise(site)
    return site


def read_data(page: Path) -> dict:
    """Unpack the data of a page."""
    packed = re.search(r'<script type="text/plain" id="data">(.*?)</script>', page.read_text())[1]
    return loads(zlib.decompress(b64decode(packed)))
