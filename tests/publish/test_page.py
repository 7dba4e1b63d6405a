"""The dashboard in a real browser: it asks nobody for anything, and its numbers follow a choice."""

import json
import re

import duckdb
import pytest
from conftest import Pipeline, title
from test_publish import HOSTILE, published, run, titles

from publish import dashboard


def card(tab, name: str) -> int:
    text = tab.locator(f'[data-card="{name}"]').inner_text().split("\n")[0]
    return int(text.replace(",", ""))


def bar(tab, chart: str, name: str):
    return tab.locator(f'[data-chart="{chart}"] button[data-name="{name}"]')


def embedded(pipeline: Pipeline) -> dict:
    html = (published(pipeline) / "dashboard.html").read_text()
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1]
    )


CATALOGUE = [
    *titles(6, release_year="2019", country="Norway, Sweden"),
    *(title(n, release_year="2020", country="India", rating="R") for n in range(7, 11)),
    *(
        title(n, type="TV Show", duration="2 Seasons", release_year="2021", listed_in="TV Dramas")
        for n in range(11, 14)
    ),
]


def test_a_choice_changes_every_card_and_chart(pipeline, opened):
    assert run(pipeline, *CATALOGUE).returncode == 0
    tab = opened()
    assert [card(tab, name) for name in ("Titles", "Movies", "TV shows", "Countries")] == [
        13, 10, 3, 3,
    ]  # fmt: skip
    bar(tab, "type", "TV Show").click()
    assert [card(tab, name) for name in ("Titles", "Movies", "TV shows")] == [3, 0, 3]
    assert bar(tab, "genre", "Dramas").count() == 0
    assert bar(tab, "type", "TV Show").get_attribute("aria-pressed") == "true"
    assert "type TV Show" in tab.locator("#chosen").inner_text()
    tab.locator("#clear").click()
    tab.locator("#from").fill("2019")
    tab.locator("#to").fill("2020")
    assert [card(tab, name) for name in ("Titles", "Movies", "TV shows")] == [10, 10, 0]
    bar(tab, "country", "Sweden").click()
    assert [card(tab, name) for name in ("Titles", "Countries")] == [6, 2]
    assert bar(tab, "country", "Norway").locator(".count").inner_text() == "6"


def test_dragging_over_the_years_chooses_them(pipeline, opened):
    assert run(pipeline, *CATALOGUE).returncode == 0
    tab = opened()
    box = tab.locator('[data-chart="year"] svg').bounding_box()
    middle = box["y"] + box["height"] / 2

    def at(number: int) -> float:  # the middle of a column; there are three: 2019, 2020, 2021
        return box["x"] + box["width"] * (number + 0.5) / 3

    tab.mouse.move(at(2), middle)
    tab.mouse.down()
    tab.mouse.move(at(1), middle)
    tab.mouse.up()
    assert [card(tab, name) for name in ("Titles", "Movies", "TV shows")] == [7, 4, 3]
    assert [tab.locator(name).input_value() for name in ("#from", "#to")] == ["2020", "2021"]
    assert bar(tab, "country", "India").locator(".count").inner_text() == "4"
    assert tab.locator('[data-chart="year"] rect').count() == 3  # the others can still be chosen
    assert tab.locator('[data-chart="year"] rect.on').count() == 2
    for _ in range(2):  # a click chooses one year, a second one lets it go
        tab.mouse.click(at(0), middle)
        found = card(tab, "Titles"), tab.locator("#from").input_value()
    tab.mouse.click(at(0), middle)
    assert (found, card(tab, "Titles")) == ((13, ""), 6)


def test_a_country_on_the_map_is_a_choice(pipeline, opened):
    assert run(pipeline, *CATALOGUE).returncode == 0
    tab = opened()
    shapes = tab.locator('[data-chart="map"] [data-name]')
    assert shapes.evaluate_all("all => all.map(one => one.textContent).sort()") == [
        "India: 4", "Norway: 9", "Sweden: 6",
    ]  # fmt: skip
    tab.locator('[data-chart="map"] [data-name="Sweden"]').click()
    assert card(tab, "Titles") == 6
    assert bar(tab, "country", "Sweden").get_attribute("aria-pressed") == "true"


def test_the_cards_compare_with_the_snapshot_before_also_under_a_choice(pipeline, opened):
    settings = {"FRESHNESS_DAYS": "36500"}
    assert run(pipeline, *CATALOGUE, SNAPSHOT_AT="2026-01-01", **settings).returncode == 0
    changed = [CATALOGUE[0] | {"rating": "NC-17"}, *CATALOGUE[2:], title(99), title(98, rating="R")]
    assert run(pipeline, *changed, SNAPSHOT_AT="2026-01-02", **settings).returncode == 0
    tab = opened()

    def cards(*names: str) -> list[str]:
        return [
            tab.locator(f'[data-card="{name}"]').inner_text().replace("\n", " ") for name in names
        ]

    last = "last snapshot"
    assert cards("Titles", "Movies", "TV shows", "New", "Changed", "Gone") == [
        "14 +1 since before", "11 +1 since before", "3 ±0 since before",
        f"2 {last}", f"1 {last}", f"1 {last}",
    ]  # fmt: skip
    bar(tab, "rating", "PG").click()  # one became NC-17, one is gone, one is new
    assert cards("Titles", "New", "Changed", "Gone") == [
        "8 −1 since before", f"1 {last}", f"0 {last}", f"1 {last}",
    ]  # fmt: skip
    audits = tab.locator("#checks tbody tr").first.locator("svg").get_attribute("aria-label")
    assert audits.startswith("2 audit(s), ")


def test_a_bar_can_be_chosen_with_the_keyboard_alone(pipeline, opened):
    assert run(pipeline, *CATALOGUE).returncode == 0
    tab = opened()
    bar(tab, "rating", "R").focus()
    tab.keyboard.press("Enter")
    assert card(tab, "Titles") == 4
    assert tab.evaluate("document.activeElement.dataset.name") == "R"
    tab.keyboard.press("Enter")
    assert card(tab, "Titles") == 13


def test_what_changed_is_listed_and_found(pipeline, opened):
    settings = {"FRESHNESS_DAYS": "36500"}
    assert run(pipeline, *CATALOGUE, SNAPSHOT_AT="2026-01-01", **settings).returncode == 0
    changed = [CATALOGUE[0] | {"rating": "NC-17"}, *CATALOGUE[2:], title(99, title="Brand new")]
    assert run(pipeline, *changed, SNAPSHOT_AT="2026-01-02", **settings).returncode == 0
    tab = opened()
    assert [card(tab, name) for name in ("New", "Changed", "Gone")] == [1, 1, 1]
    tab.locator("#search").fill("nc-17")
    rows = tab.locator("#changes tbody tr")
    assert rows.count() == 1
    assert rows.locator("td").all_inner_texts() == [
        "update", "s1", "Title 1", "rating", "PG", "NC-17",
    ]  # fmt: skip
    tab.locator("#search").fill("brand")
    assert "insert" in rows.inner_text()


def test_hostile_values_are_text(pipeline, opened):
    records = [
        title(number, title=text, director=text.replace(",", ""), listed_in=text.replace(",", " "))
        for number, text in enumerate(HOSTILE, 1)
    ]
    settings = {"FRESHNESS_DAYS": "36500"}
    assert run(pipeline, *titles(9), SNAPSHOT_AT="2026-01-01", **settings).returncode == 0
    assert run(pipeline, *records, SNAPSHOT_AT="2026-01-02", **settings).returncode == 0
    tab = opened(390)
    seen = "\n".join(tab.locator("#changes td").all_inner_texts())
    assert all(" ".join(text.split())[:300] in seen for text in HOSTILE)
    assert card(tab, "Titles") == len(HOSTILE)
    names = tab.locator('[data-chart="genre"] .name').all_inner_texts()
    assert "<script>alert(1)</script>" in names
    assert tab.locator("img").count() == 0
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    html = (published(pipeline) / "dashboard.html").read_text()
    assert "alert(1)" in html and "<script>alert" not in html and "<img" not in html


def test_many_titles_make_a_coarser_page(pipeline, monkeypatch):
    """The page stays small, says what it left out, and its sums stay right."""
    assert run(pipeline, *CATALOGUE).returncode == 0
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        seen = []
        for most in (100, 4, 2, 1):
            monkeypatch.setattr(dashboard, "MAX_CELLS", most)
            found = dashboard.collect_content(con)
            cube = found["cube"]
            assert sum(cube["titles"]) == sum(cube["new_titles"]) == 13
            seen.append((found["remark"], len(cube["titles"])))
    assert seen[0] == (dashboard.REMARK, 3)
    assert seen[-1] == (dashboard.COARSER_LEVELS[-1][1], 3)
    assert cube["names"]["country"] == ["Norway", "India"]  # the first one named
    assert (sorted(set(cube["year"])), set(cube["added"])) == ([2010, 2020], {None})


def test_the_last_of_the_coarser_cubes_has_a_bound():
    """2 types, 12 decades, and of three lists the most frequent names and Other."""
    settings = dashboard.COARSER_LEVELS[-1][0]
    names = settings["cube_names"] + 1
    assert settings["cube_decades"] and 2 * 12 * names**3 < dashboard.MAX_CELLS


@pytest.mark.slow
def test_the_real_page_is_small(pipeline, real_data):
    text = (real_data / "netflix_titles.csv").read_bytes()
    source = pipeline.put(text)
    assert pipeline.all_steps(NETFLIX_CSV=source).returncode == 0
    assert pipeline.steps("08_build_analytics", "09_publish").returncode == 0
    assert (published(pipeline) / "dashboard.html").stat().st_size < 3_000_000
    cube = embedded(pipeline)["cube"]
    assert sum(cube["titles"]) == 8_809
    states = cube["names"]["country"].index("United States")
    pairs = zip(cube["country"], cube["titles"], strict=True)
    assert sum(count for codes, count in pairs if states in codes) == 3_691


def test_a_catalogue_of_one_bare_title_makes_a_page(pipeline):
    """The catalogue of one title of the simplest kind still makes a whole page."""
    assert run(pipeline, catalogue_of_one()).returncode == 0
    assert embedded(pipeline)["summary"]["current_rows"] == 1


def catalogue_of_one() -> dict[str, str]:
    empty = {"director": "", "cast": "", "country": "", "date_added": "", "rating": ""}
    return title(1, **empty, listed_in="")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_no_violation(pipeline, browser, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    assert run(pipeline, *CATALOGUE).returncode == 0
    tab = browser.new_page(color_scheme=scheme)
    tab.goto(f"file://{published(pipeline)}/dashboard.html")
    assert [found["id"] for found in axe.run(tab).response["violations"]] == []
