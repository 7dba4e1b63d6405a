"""The page in a real browser: its numbers are those of the database, in every state and choice.

The states are made once (tests/support/pages.py). That the browser was quiet, and loaded nothing,
is proven by the fixture `look` after every test.
"""

import csv
import io
import random
import re
from itertools import pairwise
from urllib.parse import urlencode

import duckdb
import pytest
from conftest import CHAIN, PROJECT, slow
from pages import COUNTRIES, DAYS, GENRES, HOSTILE, PEOPLE, RATINGS
from test_publish import STEPS

STATES = (
    "first", "second", "third", "nothing changed", "held", "stale", "sample", "cube", "merged",
    "short", "other ids",
)  # fmt: skip
CHECKS = len(list((PROJECT / "sql/checks").glob("*.sql")))
DRAMAS = "#" + urlencode({"genre": "Dramas"})


def number(text: str) -> int:
    return int(re.sub(r"[^\d]", "", text))


def total(tab) -> int:
    return number(tab.locator("#total b").inner_text())


def go_to(tab, address: str) -> None:
    """Follow a link to another choice of the same page, and wait until it is drawn."""
    tab.evaluate(
        """address => new Promise(done => {
            addEventListener("popstate", () => requestAnimationFrame(done), {once: true});
            location.hash = address;
        })""",
        address,
    )


def bars(tab, figure: str) -> dict[str, int]:
    """The bars of a list: name -> number."""
    found = tab.locator(f"#{figure} .bars button").evaluate_all(
        "all => all.map(b => ['.name', '.n'].map(part => b.querySelector(part).textContent))"
    )
    return {name: number(count) for name, count in found}


def bar(tab, figure: str, name: str):
    return tab.locator(f"#{figure} .bars button").filter(has_text=name).first


def numbers(tab, section: str, position: int = 0) -> list[list[str]]:
    """The table below a chart, which is made when it is opened."""
    box = tab.locator(f"#{section} details.data").filter(has_text="Numbers").nth(position)
    box.locator("summary").click()
    box.locator("tbody tr").first.wait_for(state="attached")
    return box.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )


def focus(tab) -> str:
    """What has the focus, by its key or its id; BODY: it is lost."""
    return tab.evaluate("(a => a.dataset.key ?? (a.id || a.tagName))(document.activeElement)")


def press(tab, *keys: str) -> str:
    """Press keys, wait until the page is drawn, and say what has the focus then."""
    for key in keys:
        tab.keyboard.press(key)
    tab.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 50))")
    return focus(tab)


def draw_choice(dice: random.Random) -> list[tuple[str, str]]:
    """Draw a choice of one to four filters, as the address has it."""
    choice = [
        ("genre", dice.choice(GENRES)),
        ("genre", dice.choice(GENRES)),
        ("country", dice.choice((*COUNTRIES, "Unknown"))),
        ("type", dice.choice(("Movie", "TV Show"))),
        ("rating", dice.choice([rating or "Unknown" for rating in RATINGS])),
        ("person", dice.choice(PEOPLE)),
        ("released", f"{dice.randint(1940, 2010)}-{dice.randint(2010, 2024)}"),
        ("added", f"{dice.randint(2016, 2020)}-01_{dice.randint(2020, 2025)}-09"),
        ("search", dice.choice(("summer", "s1", "lee", "ek", "i̇st", "'"))),
    ]
    chosen = dice.sample(choice, dice.randint(1, 4))
    if dice.random() < 0.4:  # all of these: of two names, so that some title has them
        key, names = dice.choice((("genre", GENRES), ("country", COUNTRIES), ("person", PEOPLE)))
        chosen = [one for one in chosen[:1] if one[0] != key]
        chosen += [*((key, name) for name in dice.sample(names, 2)), ("all", key)]
    when = dice.choice((*DAYS[:2], None, None))
    return chosen + ([("as-of", when)] if when else [])


def count_rows(rows: list[dict], choice: list[tuple[str, str]], ignore: str) -> list[dict]:
    """The oracle: the rows that fit a choice, without the filters of one dimension."""
    lists = {"genre": "listed_in", "country": "country", "type": "type", "rating": "rating"}

    def has_them(key: str, names: list[str]) -> bool:
        wanted = {value for name, value in choice if name == key}
        if ("all", key) in choice:
            return wanted <= set(names)
        return not wanted or bool(wanted.intersection(names))

    def fits(row: dict) -> bool:
        for key, column in lists.items():
            names = (row[column] or "Unknown").split(", ")
            if (key != ignore or ("all", key) in choice) and not has_them(key, names):
                return False
        if not has_them("person", f"{row['cast'] or ''}, {row['director'] or ''}".split(", ")):
            return False
        for name, value in choice:
            if name == "released":
                first, last = map(int, value.split("-"))
                if row["release_year"] is None or not first <= row["release_year"] <= last:
                    return False
            if name == "added":
                month = str(row["date_added"])[:7] if row["date_added"] else ""
                first, last = value.split("_")
                if not first <= month <= last:
                    return False
            if name == "search":
                text = "\n".join((row["title"], row["title_id"], row["director"] or "")).lower()
                cast = (row["cast"] or "").lower().split(", ")
                in_cast = len(value) >= 3 and any(value in person for person in cast)
                if value not in text and not in_cast:
                    return False
        return True

    return [row for row in rows if fits(row)]


def titles_as_of(site, day: str) -> list[dict]:
    with duckdb.connect(str(site.copy("third")), read_only=True) as con:
        cursor = con.execute(
            "SELECT * FROM analytics_netflix_history WHERE valid_from <= CAST(? AS TIMESTAMP) AND "
            "(valid_to IS NULL OR valid_to > CAST(? AS TIMESTAMP))",
            [day, day],
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_for_each_choice_the_page_equals_its_own_query_and_the_rows(look, site, count):
    tab, dice = look("third"), random.Random(count)
    seen = set()
    for _ in range(count):
        choice = draw_choice(dice)
        go_to(tab, f"#{urlencode(choice)}")
        assert tab.locator("#unknown").is_hidden(), choice
        rows = titles_as_of(site, dict(choice).get("as-of", DAYS[-1]))
        fitting = count_rows(rows, choice, "")
        query = tab.locator("#sql").text_content()
        assert total(tab) == len(site.query(query)) == len(fitting), (choice, query)
        for figure, key, column in (
            ("f-genre", "genre", "listed_in"),
            ("f-country", "country", "country"),
            ("f-rating", "rating", "rating"),
        ):
            others = count_rows(rows, choice, key)
            for name, shown in bars(tab, figure).items():
                right = sum(name in (row[column] or "Unknown").split(", ") for row in others)
                assert shown == right, (choice, figure, name)
        seen.add(len(fitting))
    assert len(seen) > count // 2  # the choices differ


def test_each_chart_equals_its_kpi_view(look, site):
    tab = look("third")
    for button in tab.locator("main .all").all():
        if "Show all" in button.inner_text() or "Show the first 100" in button.inner_text():
            button.click()
    types = tab.locator("#f-type .split button").evaluate_all(
        "all => all.map(b => [b.querySelector('.name').textContent,"
        " b.querySelector('.big').firstChild.textContent])"
    )
    assert {(name, number(count)) for name, count in types} == set(
        site.query("SELECT type, titles FROM kpi_movies_vs_tv")
    )
    for figure, query in (
        (
            "f-country",
            "SELECT country, titles FROM kpi_titles_by_country WHERE country <> 'Unknown'",
        ),
        ("f-genre", "SELECT genre, titles FROM kpi_top_genres"),
        ("f-rating", "SELECT rating, titles FROM kpi_titles_by_rating WHERE titles > 0"),
    ):
        assert bars(tab, figure) == dict(site.query(query)), figure
    for figure, role in (("f-cast", "cast"), ("f-director", "director")):
        view = site.query(f"SELECT person, titles FROM kpi_top_people WHERE role = '{role}'")
        shown = bars(tab, figure)
        assert {name: shown[name] for name, _ in view} == dict(view)
    for figure, view, key in (
        ("f-year", "kpi_titles_by_year", "release_year"),
        ("f-month", "kpi_additions_by_month", "strftime(month, '%b %Y')"),
    ):
        shown = {row[0]: tuple(map(number, row[1:])) for row in numbers(tab, figure)}
        sums = site.query(
            f"SELECT CAST({key} AS VARCHAR), "
            "CAST(coalesce(sum(titles) FILTER (WHERE type = 'Movie'), 0) AS INTEGER), "
            "CAST(coalesce(sum(titles) FILTER (WHERE type = 'TV Show'), 0) AS INTEGER), "
            f"CAST(sum(titles) AS INTEGER) FROM {view} WHERE {key} IS NOT NULL GROUP BY {key}"
        )
        assert shown == {name: tuple(counts) for name, *counts in sums}
    tips = tab.locator("#f-genre .spark-box").evaluate_all("all => all.map(s => s.dataset.tip)")
    over_time = set()
    for tip in tips:
        name, *years = tip.split("\n")
        for line in years:
            year, count = line.replace(" so far", "").split(": ")
            if count != "0":
                over_time.add((int(year), name.removesuffix(", added per year"), number(count)))
    assert over_time == set(
        site.query(
            "SELECT year_added, genre, titles FROM kpi_genres_over_time "
            "WHERE year_added IS NOT NULL"
        )
    )
    snapshots = [list(map(number, row[1:])) for row in numbers(tab, "history")]
    changes = site.query(
        "SELECT current_titles, CASE WHEN row_number() OVER (ORDER BY snapshot_at) = 1 THEN 0 ELSE "
        "inserted + reappeared END, updated, deleted FROM kpi_catalog_changes "
        "ORDER BY snapshot_at DESC"
    )
    assert snapshots == [list(row) for row in changes]
    last = dict(
        site.query(
            "SELECT operation, count(DISTINCT title_id) FROM kpi_last_changes GROUP BY operation"
        )
    )
    cards = [number(text) for text in tab.locator(".delta .big").all_inner_texts()]
    assert cards == [
        last.get("insert", 0) + last.get("reappear", 0),
        last.get("update", 0),
        last.get("delete", 0),
    ]
    (median,) = site.query("SELECT median FROM kpi_duration_by_type WHERE type = 'Movie'")[0]
    shown = tab.locator("#f-length .answer b").first.inner_text()
    assert abs(number(shown) - median) <= 2  # of an even number the upper one of the two


def test_months_stand_as_far_apart_as_they_are(look):
    """A month without titles is a hole, not a seam."""
    tab = look("third")
    at = tab.evaluate(
        """() => [...document.querySelectorAll("#f-month svg.pl text")]
            .filter(t => /^20\\d\\d$/.test(t.textContent.slice(-4)))
            .map(t => [+t.textContent.slice(-4), t.getBoundingClientRect().x])"""
    )
    steps = {round(b[1] - a[1]) for a, b in pairwise(at) if b[0] == a[0] + 1}
    assert steps and max(steps) - min(steps) <= 2


def test_a_choice_filters_the_page_and_keeps_its_own_bars(look, site):
    tab = look("third")
    before = bars(tab, "f-genre")
    bar(tab, "f-genre", "Dramas").click()
    assert total(tab) == before["Dramas"] < site.query("SELECT count(*) FROM dim_title")[0][0]
    assert bars(tab, "f-genre") == before  # its own bars stay to be chosen
    assert bar(tab, "f-genre", "Dramas").get_attribute("aria-pressed") == "true"
    assert tab.evaluate("document.activeElement.dataset.key").startswith("f-genre:")
    bar(tab, "f-genre", "Comedies").click()
    either = total(tab)
    assert max(before["Dramas"], before["Comedies"]) <= either < sum(before.values())
    assert tab.locator("#chips .chip").all_inner_texts() == ["Dramas ✕", "Comedies ✕"]
    tab.locator("#chips .chip").first.click()
    assert total(tab) == before["Comedies"]
    tab.go_back()
    assert total(tab) == either
    tab.go_back()
    assert total(tab) == before["Dramas"]
    tab.go_forward()
    assert total(tab) == either
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert total(tab) == either
    assert total(look("third", tab.evaluate("location.hash"))) == either
    tab.locator("#clear").click()
    assert tab.evaluate("location.hash") == ""


@pytest.mark.slow
def test_a_link_with_an_unknown_name_says_so(look, site):
    tab = look("third", "#genre=Operas&genre=Dramas")
    assert "Operas" in tab.locator("#unknown").inner_text()
    assert total(tab) == dict(site.query("SELECT genre, titles FROM kpi_top_genres"))["Dramas"]


def test_a_brush_chooses_years_and_the_fields_do_so_by_keyboard(look, site):
    tab = look("third")
    tab.locator("#f-year").scroll_into_view_if_needed()
    box = tab.locator("#f-year svg.pl").bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + box["width"] * 0.8, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=4)
    tab.mouse.move(box["x"] + box["width"] * 0.95, middle)
    tab.mouse.up()
    first, last = map(
        int, re.search(r"released=(\d+)-(\d+)", tab.evaluate("location.hash")).groups()
    )
    assert first < last <= 2024
    (right,) = site.query(
        "SELECT count(*) FROM analytics_netflix_current "
        f"WHERE release_year BETWEEN {first} AND {last}"
    )[0]
    assert total(tab) == right
    field = tab.locator('#f-year [aria-label="Released from"]')
    field.fill("2015")
    field.press("Enter")
    press(tab)
    tab.locator('#f-year [aria-label="Released to"]').fill("2016")
    press(tab, "Tab")
    assert "released=2015-2016" in tab.evaluate("location.hash")
    field = tab.locator('#f-month [aria-label="Added from"]')
    field.fill("2019-03")
    press(tab, "Enter")
    assert "added=2019-03_" in tab.evaluate("location.hash")


def test_as_of_shows_each_snapshot(look, site):
    tab = look("third")
    for back, day in enumerate(reversed(DAYS)):
        if back:
            tab.locator("#earlier").click()
        rows = titles_as_of(site, day)
        assert total(tab) == len(rows)
        assert bars(tab, "f-genre")["Dramas"] == sum(
            "Dramas" in row["listed_in"].split(", ") for row in rows
        )
        assert f"{len(rows)} " in tab.locator("h1").inner_text()
    assert tab.locator("#earlier").is_disabled()
    assert "This is the first snapshot" in tab.locator("#changed").inner_text()
    tab.locator("#newest").click()
    assert total(tab) == len(titles_as_of(site, DAYS[-1]))
    tab.locator("#slider").focus()
    tab.keyboard.press("Home")
    assert f"as-of={DAYS[0]}" in tab.evaluate("location.hash")


def test_what_changed_says_which_field_and_leads_to_why(look):
    tab = look("second")
    cards = [text.replace("\n", " ") for text in tab.locator(".delta").all_inner_texts()]
    assert re.fullmatch(r"\+10 new \d+ movies?, \d+ TV shows?", cards[0])
    assert re.fullmatch(r"\d+ changed date_added \d+ \(all were blank before\)", cards[1])
    assert cards[2].startswith("−4 gone ")
    tab.locator(".delta.changed").click()
    row = tab.locator("#change-body tbody tr").first.locator("td")
    assert row.all_inner_texts()[1:] == ["date_added", "blank", "2025-05-05", "Why?"]
    row.last.locator("button").click()
    assert "date_added: blank → 2025-05-05" in tab.locator("dialog").inner_text()


def test_a_title_shows_what_make_why_prints(look, site):
    tab = look("third", "#title=s5")
    lines = tab.locator("dialog .versions li").all_inner_texts()
    printed = site.pipeline.step("11_explain_title", "s5").stdout
    for line, version in zip(lines, re.split(r"\n  (?=\d{4}-)", printed)[1:], strict=True):
        assert re.search(r"line \d+", version)[0] in line
        for column, after in re.findall(r"^      (\w+): .* -> '(.*)'$", version, re.MULTILINE):
            assert f"{column}: " in line and after in line
    assert press(tab, "Escape") and "title=" not in tab.evaluate("location.hash")
    assert "gone" in look("second", "#title=s3").locator("dialog").inner_text()


@pytest.mark.slow
def test_back_does_not_open_a_closed_title_again(look):
    """Neither one that was opened by a click, nor one that was reached from another title."""
    tab = look("third", "#genre=Dramas")
    dialog = tab.locator("dialog")
    tab.locator("#title-table td button").first.click()
    press(tab, "Escape")
    assert dialog.is_hidden() and tab.evaluate("location.hash") == "#genre=Dramas"
    tab.locator("#clear").click()
    tab.locator("#search").fill("s259")
    tab.locator("#chips button", has_text="s259").wait_for()
    tab.locator("#title-table td button").first.click()
    tab.locator("dialog dd button", has_text="Title 170").click()
    assert "title=s170" in tab.evaluate("location.hash")
    press(tab, "Escape")
    assert dialog.is_hidden() and tab.evaluate("location.hash") == "#search=s259"
    tab.go_back()
    press(tab)
    assert dialog.is_hidden() and "title=" not in tab.evaluate("location.hash")


def test_a_link_to_a_title_closes_to_the_page(look):
    tab = look("third", "#title=s5")
    press(tab, "Escape")
    assert tab.locator("dialog").is_hidden() and tab.evaluate("location.hash") == ""


def test_the_csv_holds_all_that_fits_and_no_formula(look, tmp_path):
    tab = look("first")
    fitting = total(tab)
    with tab.expect_download() as download:
        tab.locator("#csv").click()
    path = tmp_path / "titles.csv"
    download.value.save_as(path)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert len(rows) == 1 + fitting
    titles = {row[2] for row in rows[1:]}
    assert f"'{HOSTILE[2]}" in titles and HOSTILE[2] not in titles
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_hostile_titles_are_text(look):
    tab = look("first", "#" + urlencode({"search": "alert(1)"}))
    shown = tab.locator("#title-table").inner_text()
    assert HOSTILE[0] in shown and HOSTILE[1] in shown
    assert tab.locator("img").count() == 0
    assert HOSTILE[5] in look("first", "#search=DATA").locator("#title-table").inner_text()


def test_the_table_sorts_and_shows_more(look):
    tab = look("third")
    tab.locator('[data-key="sort:year"]').click()
    years = tab.locator("#title-table td.c-year").all_inner_texts()
    assert years == sorted(years, reverse=True) and len(years) == 40
    assert "sort=-year" in tab.evaluate("location.hash")
    tab.locator("#more").click()
    tab.locator("#title-table tbody tr").nth(40).wait_for()
    tab.locator("#search").fill("summer")
    tab.locator("#chips button", has_text="summer").wait_for()
    assert all("summer" in text for text in tab.locator("td.c-title").all_inner_texts()[6:])


@pytest.mark.parametrize("state", ["cube", *slow("merged")])
def test_a_large_catalogue_comes_as_counts_that_are_right(look, site, state):
    tab = look(state)
    for name in bars(tab, "f-genre"):
        bar(tab, "f-genre", name).click()
        query = tab.locator("#sql").text_content()
        assert total(tab) == len(site.query(query)), query
        assert tab.locator("#sql").is_visible()
        bar(tab, "f-genre", name).click()
    words = "Other" if state == "merged" else "So many titles come as counts"
    assert words in tab.locator("#remark").inner_text()
    assert tab.locator("#f-cast").is_hidden() and tab.locator("#csv").is_hidden()


@pytest.mark.slow
def test_a_history_that_is_too_long_begins_later(look, site):
    tab = look("short")
    assert tab.locator("#slider").get_attribute("min") == "2"
    assert tab.locator("#earlier").is_disabled()
    assert total(tab) == len(titles_as_of(site, DAYS[-1]))
    assert len(numbers(tab, "history")) == 3  # the totals of all snapshots stay


def test_the_head_says_what_state_it_is_in(look):
    tab = look("first")

    def head(state: str) -> str:
        return look(state, tab=tab).locator("header").inner_text()

    assert "160 titles in the first snapshot, of 1 Jan 2026" in head("first")
    assert "Nothing changed since 1 Feb 2026" in head("nothing changed")
    renewed = "2 gone since 8 Jan 2026; 1 of these seems to be there under another id or year."
    assert renewed in head("third")
    assert "seem" not in head("second")
    assert "Made-up sample data" in head("sample")
    assert "days old: too old, limit 7" in head("stale")
    held = head("held")
    assert "Held back: the snapshot of 15 Feb 2026 did not pass its audit" in held
    assert "accepted_types" in held and "type=Game" in held and "of 8 Feb 2026" in held
    assert "What to do: allow the value in the contract" in held


def test_the_age_is_by_the_readers_clock(browser, site):
    """Green on the day, amber from two days on, red beyond FRESHNESS_DAYS; no new build."""
    seen, tab = [], browser.new_page()
    for days in (0, 3, 8):
        tab.clock.set_fixed_time(f"2026-02-{1 + days:02}T12:00:00Z")
        tab.goto(site.page("stale").as_uri())
        seen.append(tab.locator("#age").get_attribute("class"))
    tab.close()
    assert seen == ["good", "warn", "fail"]


def test_without_a_match_each_chart_says_so(look):
    tab = look("third", "#search=nothing-has-this")
    assert total(tab) == 0
    assert "No title fits the filters" in tab.locator("#titles").inner_text()
    assert "No title fits the filters" in tab.locator("#f-year").inner_text()


def test_without_a_script_the_head_and_the_way_to_the_numbers_are_there(look):
    tab = look("third", java_script_enabled=False)
    assert "167 in the catalogue" in tab.locator("h1").inner_text()
    assert f"{CHECKS} of {CHECKS} checks passed" in tab.locator("#pills").inner_text()
    assert "allow it to run" in tab.locator("header").inner_text()


def test_the_keyboard_goes_through_a_list_by_arrows(look):
    tab = look("third")
    assert tab.locator("#f-genre .bars button[tabindex='0']").count() == 1
    tab.locator("#f-genre .bars button").first.focus()
    tab.keyboard.press("ArrowDown")
    name = tab.evaluate("document.activeElement.querySelector('.name').textContent")
    tab.keyboard.press("Enter")
    assert tab.locator("#chips .chip").all_inner_texts() == [f"{name} ✕"]
    assert tab.evaluate("document.activeElement.querySelector('.name').textContent") == name


@pytest.mark.slow
def test_a_typed_range_is_understood_or_stays_with_a_message(look):
    tab = look("third")
    first = tab.locator("#month-from")
    for typed, right in (
        ("2019", "2019-01"), ("2019-3", "2019-03"), ("4/2019", "2019-04"), ("May 2019", "2019-05"),
    ):  # fmt: skip
        tab.locator("h1").click()
        first.click()  # what is there is selected, so that it is typed over
        tab.keyboard.type(typed)
        assert press(tab, "Enter") == "month-from"
        assert f"added={right}_" in tab.evaluate("location.hash")
    tab.keyboard.type("2018")
    assert press(tab, "Tab") == "month-to"
    tab.keyboard.type("2020")
    press(tab, "Enter")
    good = tab.evaluate("location.hash")
    assert "added=2018-01_2020-12" in good
    problem = tab.locator("#month-problem")
    for typed, message in (("2019-13", "not understood: write a month"), ("2017-02", "is after")):
        tab.keyboard.type(typed)
        assert press(tab, "Enter") == "month-to"
        field = tab.locator("#month-to")
        assert field.input_value() == typed and message in problem.inner_text()
        assert field.get_attribute("aria-invalid") == "true"
        assert field.get_attribute("aria-describedby") == "month-problem"
        assert tab.evaluate("location.hash") == good
        field.select_text()
    tab.keyboard.type("2019-06")
    press(tab, "Enter")
    assert "added=2018-01_2019-06" in tab.evaluate("location.hash") and not problem.inner_text()
    tab.locator("#chips .chip").click()
    assert [tab.locator(f"#month-{end}").input_value() for end in ("from", "to")] == ["", ""]
    tab.locator("#year-from").fill("19")
    press(tab, "Tab")
    assert "write a year" in tab.locator("#year-problem").inner_text()
    assert "soon" in look("third", "#added=soon").locator("#unknown").inner_text()


@pytest.mark.slow
def test_the_focus_survives_each_redraw(look):
    tab = look("third")

    def enter(selector: str) -> str:
        tab.locator(selector).first.focus()
        return press(tab, "Enter")

    assert enter(".delta.gone") == "change:gone"
    button = "#change-body tbody button"
    key = tab.locator(button).first.get_attribute("data-key")
    assert enter(button) == "BUTTON" and tab.locator("dialog").is_visible()
    assert press(tab, "Escape") == key and tab.locator("dialog").is_hidden()
    assert enter("#title-table tbody button") == "BUTTON"
    assert press(tab, "Escape").startswith("title:")
    tab.locator("#earlier").focus()
    assert press(tab, "Enter", "Enter", "Enter") == "earlier"  # the last one has nowhere to go
    assert tab.locator("#earlier").get_attribute("aria-disabled") == "true"
    assert enter("#newest") != "BODY" and tab.locator("#newest").is_hidden()
    assert enter("#f-genre .bars button").startswith("f-genre:")
    assert enter("#f-type .split button").startswith("f-type:")
    assert enter("#chips .chip").startswith("genre:")  # the one that is next to the removed one
    assert enter("#clear") != "BODY"
    assert enter('[data-key="sort:year"]') == "sort:year"
    tab.locator("#year-from").focus()
    tab.keyboard.type("2015")
    assert press(tab, "Tab") == "year-to"
    tab.keyboard.type("2016")
    assert press(tab, "Tab") == "SUMMARY"  # into what is drawn again at that moment
    assert enter('.sections [data-jump="titles"]') == "titles"
    assert press(tab, "Tab") == "search"
    assert enter(".skip") == "changed"
    assert press(tab, "/") == "search"
    tab.keyboard.type("a/b")
    assert tab.locator("#search").input_value() == "a/b"


@pytest.mark.slow
def test_all_of_these_is_shown_and_kept(look, site, tmp_path):
    tab = look("third")
    for figure, name in (
        ("f-genre", "Dramas"), ("f-genre", "Comedies"), ("f-type", "Movie"), ("f-rating", "R"),
    ):  # fmt: skip
        tab.locator(f"#{figure} [data-key]", has_text=name).first.click()
    words = [text for text in tab.locator("#chips li").all_inner_texts() if "these" not in text]
    assert words == ["Movie ✕", "and", "R ✕", "and", "Dramas ✕", "or", "Comedies ✕"]
    any_of_these = total(tab)
    tab.locator(".mode button", has_text="all of these").click()
    assert tab.locator("#chips li").nth(5).inner_text() == "and"
    assert "all=genre" in tab.evaluate("location.hash")
    both = site.query(
        "SELECT title_id FROM analytics_netflix_current WHERE type = 'Movie' AND rating = 'R' "
        "AND listed_in LIKE '%Dramas%' AND listed_in LIKE '%Comedies%' ORDER BY 1"
    )
    assert total(tab) == len(both) < any_of_these
    assert bars(tab, "f-genre")["Dramas"] == len(both)  # what a further genre would leave
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert total(tab) == len(both)
    with tab.expect_download() as download:
        tab.locator("#csv").click()
    download.value.save_as(tmp_path / "titles.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "titles.csv").read_text("utf-8-sig"))))
    assert sorted(row[0] for row in rows[1:]) == [title_id for (title_id,) in both]
    tab.go_back()
    assert total(tab) == any_of_these


def test_an_age_stands_next_to_its_limit(look):
    tab = look("third")
    assert re.search(r"\d+ days old, limit 36,500", tab.locator("#age").inner_text())
    tab.locator("#checks summary").click()
    row = tab.locator("#checks tr", has_text="snapshot_is_fresh").inner_text()
    assert re.search(r"days_old=\d+, allowed_days=36500", row)
    assert "allowed_hours=36" in tab.locator("#checks tr", has_text="run_is_fresh").inner_text()


def test_trust_is_of_the_newest_snapshot_and_says_so(look):
    tab = look("third")
    assert tab.locator(".of-newest:visible").count() == 0
    tab.locator("#earlier").click()
    notes = tab.locator(".of-newest:visible").all_inner_texts()
    assert len(notes) == 2 and all("of the newest snapshot, of 1 Feb 2026" in n for n in notes)


def test_a_new_title_named_like_one_that_is_gone_is_pointed_out(look):
    tab = look("third")
    assert "1 of them shares name and type with a title that was already there" in (
        tab.locator(".delta.new").inner_text()
    )
    assert "1 of them shares name and type with a title that is still there" in (
        tab.locator(".delta.gone").inner_text()
    )
    go_to(tab, "#title=s170")
    tab.locator("dialog dd button", has_text="Title 170").click()
    assert "title=s259" in tab.evaluate("location.hash")
    assert "1951" in tab.locator("dialog").inner_text()
    assert tab.evaluate("document.activeElement.className") == "close"


def test_the_ids_of_the_file_lead_to_their_title_from_search_and_from_a_check(look, site):
    tab = look("other ids", "#search=f15")
    shown = tab.locator("#title-table td.c-title").all_inner_texts()
    assert "Title 15 " in " ".join(shown) and total(tab) == len(
        site.query(tab.locator("#sql").text_content(), "other ids")
    )
    issue = tab.locator(".issue", has_text="no_mojibake")
    assert "A text is UTF-8" in issue.inner_text()
    assert issue.locator("button").all_inner_texts() == ["s5", "f7"]
    text = (PROJECT / "sql/checks/no_mojibake.sql").read_text()
    way_out = re.search("^-- way_out: (.*)$", text, re.MULTILINE)[1].replace("`", "")
    assert f"What to do: {way_out}" in issue.inner_text()
    issue.locator("button").first.click()
    text = tab.locator("dialog").inner_text()
    assert "A check names it" in text and "in the file f5" in text
    go_to(tab, "#search=f999")
    tab.locator("#title-table button", has_text="Can it be trusted?").click()
    assert focus(tab) == "trust"


@pytest.mark.slow
def test_no_axis_counts_below_zero_or_in_halves(look):
    tab = look("third", "#search=nothing-has-this")
    ticks = tab.locator("main svg.pl text").all_text_contents()
    assert ticks and not [text for text in ticks if re.search(r"[-−.]\d", text)]


def test_an_axis_of_snapshots_has_years(look):
    ticks = look("third").locator("#f-snapshots svg.pl").last.locator("text").all_text_contents()
    assert any(re.fullmatch(r"1 Jan\s*2026", text) for text in ticks), ticks


@pytest.mark.slow
def test_the_graph_of_the_tables_fits_its_card(look):
    tab = look("third", viewport={"width": 1100, "height": 900})
    room, wanted, cut = tab.evaluate(
        """() => [document.querySelector("#graph").clientWidth,
            document.querySelector("#graph").scrollWidth,
            [...document.querySelectorAll("#graph button")]
                .filter(button => button.scrollHeight > button.clientHeight + 1
                    || button.scrollWidth > button.clientWidth + 1)
                .map(button => button.textContent)]"""
    )
    assert wanted <= room and cut == []


@pytest.mark.slow
def test_a_copy_of_the_page_has_no_dead_link(look, browser, site):
    """Where it was published the files are next to it; alone it says where they are."""
    alone = look("third").locator("footer")
    assert alone.locator("a").count() == 0
    assert "in the pipeline's folder published: the numbers in kpi/" in alone.inner_text()
    tab = browser.new_page()
    tab.goto((site.pipeline.root / "data/published/dashboard.html").as_uri())
    tab.wait_for_selector("html[data-ready]")
    links = tab.locator("footer a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links == ["kpi/", "netflix.duckdb", "dictionary.md"]
    assert all((site.pipeline.root / "data/published" / link).exists() for link in links)
    tab.close()


@pytest.mark.slow
def test_a_chart_leads_to_its_table_and_the_table_to_the_file(look):
    tab = look("third")
    for figure in tab.locator("figure[data-table]").all():
        name = figure.get_attribute("data-table")
        figure.locator(".source").click()
        assert tab.locator("#meaning h3").inner_text() == name
        assert (
            tab.locator("#meaning .path")
            .inner_text()
            .startswith("From the file: the catalogue file → raw_netflix_titles → ")
            and focus(tab) == "f-lineage"
        )
    assert tab.locator("figure[data-table]").count() == 10


@pytest.mark.slow
@pytest.mark.parametrize("card", ["new", "changed", "gone"])
def test_what_changed_can_be_saved(look, card, tmp_path):
    tab = look("second")
    tab.locator(f".delta.{card}").click()
    with tab.expect_download() as download:
        tab.locator('[data-key="changes:csv"]').click()
    download.value.save_as(tmp_path / "changes.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "changes.csv").read_text("utf-8-sig"))))
    assert len(rows) - 1 == number(tab.locator(f".delta.{card} .big").inner_text())
    if card == "changed":
        assert rows[0][3:] == ["Field", "Before", "After"]
        assert all(row[3:] == ["date_added", "", "2025-05-05"] for row in rows[1:])


def test_a_chart_names_what_it_leaves_out(look):
    """The line of TV shows has no year of fewer than ten titles: those years are named."""
    tab = look("third")
    drawn = tab.locator("#f-type .sub").inner_text()
    few = [row[0] for row in numbers(tab, "f-type") if number(row[2]) < 10]
    assert all(year in drawn for year in few) and ("fewer than 10" in drawn) == bool(few)


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def assert_budgets(wide, phone) -> None:
    """At most 5,000 elements, 14 printed pages, 7.7 screens of a phone and no sideways scroll."""
    assert wide.evaluate("document.querySelectorAll('*').length") <= 5_000
    assert len(re.findall(rb"/Type\s*/Page\b", wide.pdf(format="A4"))) <= 14
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.evaluate("document.documentElement.scrollHeight") <= 7.7 * 844
    assert phone.evaluate("document.querySelector('#bar').offsetHeight") <= 0.12 * 844


@pytest.mark.parametrize("state", ["third", *slow("first")])
def test_the_page_is_short_on_paper_and_on_a_phone(look, state):
    assert_budgets(look(state), look(state, **PHONE))


@pytest.mark.slow
def test_on_a_phone_a_choice_can_be_cleared_and_its_link_copied(look):
    tab = look("third", "#genre=Dramas", **PHONE)
    assert tab.locator("#link").is_visible() and tab.locator("#clear").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.locator("#clear").click()
    assert not tab.locator("#link").is_visible(), "it would only take room"


@pytest.mark.slow
def test_the_page_of_the_real_files_is_short_too(browser, pipeline, real_data):
    """Three snapshots by title, of which the last has gone titles and three warnings."""
    settings = {"CDC_KEY": "title", "FRESHNESS_DAYS": "36500", "MAX_DELETED_PCT": "100"}
    for name, day in (
        ("netflix_titles_2019-11.csv", "2019-11-20"), ("netflix_titles_2020-01.csv", "2020-01-18"),
        ("netflix_titles.csv", "2024-04-20"),
    ):  # fmt: skip
        source = pipeline.put((real_data / name).read_bytes())
        done = pipeline.steps(*CHAIN, NETFLIX_CSV=source, SNAPSHOT_AT=day, **settings)
        assert done.returncode == 0, done.stderr
    assert pipeline.steps(*STEPS, **settings).returncode == 0
    tabs = [browser.new_page(viewport={"width": 1280, "height": 900}), browser.new_page(**PHONE)]
    for tab in tabs:
        tab.goto((pipeline.root / "data/published/dashboard.html").as_uri())
        tab.wait_for_selector("html[data-ready]")
    assert_budgets(*tabs)
    for tab in tabs:
        tab.close()


def test_the_page_answers_ten_questions(look, site):
    """Each answer stands on the page, where its question leads; the numbers are the database's."""
    tab = look("second")

    def read(selector: str) -> str:
        return " ".join(tab.locator(selector).inner_text().split())

    def one(query: str) -> str:
        return f"{site.query(query, 'second')[0][0]:,}"

    # 1. What changed since the last snapshot, and why? 2. Is it fresh?
    assert "10 new titles" in read("h1") and "4 gone since 1 Jan 2026" in read("h1")
    dated = one("SELECT count(*) FROM cdc_netflix_changes WHERE column_name = 'date_added'")
    assert f"date_added {dated} (all were blank before)" in read(".delta.changed")
    assert re.search(r"Data of 8 Jan 2026, \d+ days old, limit 36,500", read("#age"))
    # 3. Which share of what was added in 2025 are TV shows?
    shares = {row[0]: row for row in numbers(tab, "f-type")}
    shows, added = site.query(
        "SELECT count(*) FILTER (WHERE type = 'TV Show'), count(*) FROM analytics_netflix_current "
        "WHERE year(date_added) = 2025",
        "second",
    )[0]
    assert shares["2025"][1:] == [str(shows), str(added), f"{100 * shows / added:.1f} %"]
    # 4. How many titles name no country? 5. Which column is least complete?
    nameless = one("SELECT count(*) FROM analytics_netflix_current WHERE country IS NULL")
    assert f"{nameless} titles name none" in read("#f-map .answer")
    assert read("#completeness tbody tr:first-child td:first-child") in ("country", "director")
    # 6. How many dramas are from India or Japan, and from both? 7. Since when, and from which
    # line, is a title so?
    for figure, name in (("f-genre", "Dramas"), ("f-country", "India"), ("f-country", "Japan")):
        bar(tab, figure, name).click()
    right = one(
        "SELECT count(*) FROM analytics_netflix_current WHERE listed_in LIKE '%Dramas%' "
        "AND (country LIKE '%India%' OR country LIKE '%Japan%')"
    )
    assert read("#total").startswith(f"{right} of ")
    assert read("#chips").startswith("India ✕ or Japan ✕ any of these all of these and Dramas")
    tab.locator(".mode button", has_text="all of these").click()
    both = one(
        "SELECT count(*) FROM analytics_netflix_current WHERE listed_in LIKE '%Dramas%' "
        "AND country LIKE '%India%' AND country LIKE '%Japan%'"
    )
    assert read("#total").startswith(f"{both} of ")
    tab.locator(".mode button", has_text="any of these").click()
    tab.locator("#title-table td button").first.click()
    assert re.search(r"(first seen|changed).*From catalogue.csv, line \d+", read(".versions"))
    tab.keyboard.press("Escape")
    tab.locator("#clear").click()
    # 8. What was the catalogue one snapshot ago?
    tab.locator("#earlier").click()
    assert read("#total") == "160 titles" and "first snapshot" in read("h1")
    # 9. How did the last run go, and the checks? 10. What is kpi_top_genres made of?
    assert "monitor" in read("#runs") and f"{CHECKS} of {CHECKS} checks passed" in read("#checks")
    tab.locator("#graph button", has_text="kpi_top_genres").click()
    assert "dim_date, dim_genre, fact_title_catalog. Column Type" in read("#meaning")
    assert "the catalogue file → raw_netflix_titles → staging_netflix_qu" in read("#meaning")


AXE_STATES = [(state, "light") for state in STATES] + [("third", "dark"), ("held", "dark")]
QUICK = (("held", "dark"),)


@pytest.mark.parametrize(
    ("state", "scheme"),
    [pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow) for pair in AXE_STATES],
)
def test_axe_finds_no_violation(look, state, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = look(state, color_scheme=scheme)
    opened = ["all closed", "all open"]
    for part in opened:
        if part == "all open":
            tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
            tab.wait_for_timeout(100)
        found = axe.run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], part
    if tab.locator("#title-table button").count():
        tab.locator("#title-table td button").first.click()
        found = axe.run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
