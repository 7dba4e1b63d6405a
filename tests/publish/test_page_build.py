"""How the page is made: of what bytes, how large, in which shape, and when it says "held back"."""

import json
import re
import subprocess
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, title
from pages import read_data
from test_publish import STEPS, current, published, run, titles

from publish import page_cells, page_data
from publish.dashboard import ASSETS, STYLES, write_banners
from publish.lineage import FILE, collect_lineage, find_sources, read_statements

SCRIPTS = sorted((ASSETS / "src").glob("*.js"))


def test_the_bundle_is_built_from_these_sources_and_the_lock():
    """After a change of either: `make vendor`, which builds the same bytes on every machine."""
    sums = (ASSETS / "vendor" / "SHA256SUMS").read_text()
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet"],
        cwd=ASSETS, input=sums, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), "run make vendor"
    named = {line.split("  ")[1] for line in sums.splitlines()}
    files = {*SCRIPTS, *(ASSETS / "built").iterdir(), *(ASSETS / "vendor").glob("*.j*")}
    assert {str(path.relative_to(ASSETS)) for path in files} <= named


def test_the_lock_pins_every_package_by_its_hash_and_each_has_a_licence():
    lock = json.loads((ASSETS / "vendor" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry for entry in packages.values())
    assert packages["node_modules/@observablehq/plot"]["version"] == "0.6.17"
    bundled = {
        name.removeprefix("node_modules/")
        for name, entry in packages.items()
        if not entry.get("dev")
    }
    licences = (ASSETS / "vendor" / "LICENSES.txt").read_text()
    assert set(re.findall(r"^==== (\S+) ====$", licences, re.MULTILINE)) >= bundled
    assert "registry" not in (ASSETS / "vendor" / "package-lock.json").read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_and_sets_text_as_text_alone(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith("// ")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", text
    )


def read_colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphics_have_a_contrast_of_3_and_texts_of_4_5(theme):
    light, dark = (ASSETS / "theme.css").read_text().split("prefers-color-scheme: dark")
    colour = read_colours(light) | (read_colours(dark) if theme == "dark" else {})
    for graphic in ("movie", "tv", "good", "warn", "bad", "edge", "chosen"):
        assert contrast(colour[graphic], colour["card"]) >= 3, graphic
    for back in ("back", "card", "hair"):
        for text in ("text", "soft"):
            assert contrast(colour[text], colour[back]) >= 4.5, (text, back)
    for text in ("good", "warn", "bad", "focus", "movie"):  # outcomes, values, links, the headline
        assert contrast(colour[text], colour["card"]) >= 4.5, text
        assert contrast(colour[text], colour["back"]) >= 4.5, text
    for state in ("good", "warn", "bad"):
        assert contrast(colour["text"], colour[f"{state}-back"]) >= 4.5
        assert contrast(colour[state], colour[f"{state}-back"]) >= 3


def test_the_data_have_the_documented_shape(site):
    text = (ASSETS / "README.md").read_text()
    assert f"format {page_data.FORMAT}" in text
    for state in ("third", "cube"):
        data = read_data(site.page(state))
        assert data["format"] == page_data.FORMAT
        for name in (*data, *data["rows"], *data["snapshots"], *data["names"]):
            assert f"`{name}`" in text, name
        assert {len(column) for column in data["rows"].values()} == {len(data["rows"]["type"])}


def test_the_page_is_small_and_its_policy_names_every_script(site):
    for path in site.folder.glob("*.html"):
        html = path.read_text()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert len(re.findall(r"<script>", html)) == policy.count("script-src '") + 1 == 2
        assert path.stat().st_size < 470_000  # what it is without titles


@pytest.mark.slow
def test_the_real_page_is_small(pipeline, real_data):
    source = pipeline.put((real_data / "netflix_titles.csv").read_bytes())
    assert pipeline.all_steps(NETFLIX_CSV=source).returncode == 0
    assert pipeline.steps(*STEPS).returncode == 0
    page = published(pipeline) / "dashboard.html"
    assert page.stat().st_size <= 1_200_000
    data = read_data(page)
    assert data["snapshots"]["titles"] == [8_809]
    states = data["names"]["country"].index("United States")
    sets = [number for number, codes in enumerate(data["countrySets"]) if states in codes]
    assert sum(number in sets for number in data["rows"]["countries"]) == 3_691


def test_the_last_level_of_cells_has_a_bound():
    """2 types, 12 decades, 30 years added, and of three lists the most frequent names and Other."""
    level = page_cells.LEVELS[-1][1]
    names = level["names"] + 1
    assert level["decades"] and level["countries"] == level["genres"] == 1
    assert 2 * 12 * 30 * names**3 < 11 * page_cells.MAX_CELLS  # all of them at once: far from real


def test_the_lineage_is_what_duckdbs_parser_reads():
    """Each statement's sources, found by a pattern, against DuckDB's own tree of the statement."""
    compared = 0
    with duckdb.connect() as con:
        for target, statement in read_statements():
            query = re.search(r"\b(WITH|SELECT|FROM)\b.*", statement, re.DOTALL)
            if not query or re.match(r"\s*UPDATE", statement):
                continue
            tree = con.execute("SELECT json_serialize_sql(?)", [query[0].strip()]).fetchone()[0]
            tree = json.loads(tree)
            if tree["error"]:
                continue  # the columns of an empty table
            assert find_sources(statement) == parsed_sources(tree), target
            compared += 1
    assert compared > 40


def parsed_sources(tree: object) -> set[str]:
    tables: set[str] = set()
    ctes: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, list):
            for part in node:
                walk(part)
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                tables.add(node["table_name"])
            for entry in (node.get("cte_map") or {}).get("map", []):
                ctes.add(entry["key"])
            for part in node.values():
                walk(part)

    walk(tree)
    return tables - ctes


def test_the_lineage_leads_from_the_file_to_every_kpi(site):
    names = [name for (name,) in site.query("SELECT table_name FROM information_schema.tables")]
    edges = collect_lineage(names)
    reached, waiting = set(), {FILE}
    while waiting:
        reached |= waiting
        waiting = {target for source, target in edges if source in waiting} - reached
    assert {name for name in names if name.startswith("kpi_")} <= reached
    assert not any((target, source) in edges for source, target in edges)
    assert ("bridge_title_genre", "kpi_top_genres") in edges


def test_a_catalogue_of_one_bare_title_makes_a_page(pipeline):
    empty = {"director": "", "cast": "", "country": "", "date_added": "", "rating": ""}
    assert run(pipeline, title(1, **empty, listed_in="")).returncode == 0
    data = read_data(published(pipeline) / "dashboard.html")
    assert data["snapshots"]["titles"] == [1]


@pytest.mark.slow
def test_a_failed_audit_changes_the_page_alone(pipeline):
    """The chain, the audit alone and step 09: exit code 30 each, one page that says it, once."""
    assert run(pipeline, *titles(3)).returncode == 0
    before = pipeline.digests("data/published/current/")
    good = current(pipeline)
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE analytics_netflix_history SET type = 'Game' WHERE show_id = 's1'")
    seen = []
    for step in ("07_monitor_pipeline", "09_publish", "07_monitor_pipeline"):
        done = pipeline.step(step)
        assert done.returncode == 30, done.stderr
        seen.append(current(pipeline))
        assert changed(before, pipeline.digests("data/published/current/")) == {
            "SHA256SUMS", "dashboard.html",
        }  # fmt: skip
        page = (published(pipeline) / "dashboard.html").read_text()
        assert "does not pass" in page and "type=Game" in page
    assert seen[0].startswith("versions/held-") and len(set(seen)) == 1
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE analytics_netflix_history SET type = 'Movie' WHERE show_id = 's1'")
    assert pipeline.steps("07_monitor_pipeline", "09_publish").returncode == 0
    assert current(pipeline) == good
    assert changed(before, pipeline.digests("data/published/current/")) == set()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert set(before) == set(after)
    return {Path(name).name for name in before if before[name] != after[name]}


def test_a_snapshot_that_is_left_out_is_named():
    days = ("20260101T000000Z-aa", "20260103T000000Z-cc")
    merged = {"snapshots": {"batch": list(days), "at": ["2026-01-01", "2026-01-03"]}}
    origins = {batch: ("day.csv", False) for batch in (*days, "20260110T000000Z-dd")}
    assert write_banners(merged, origins, None) == ""  # the last one is newer than what is shown
    late = origins | {"20260102T000000Z-bb": ("<late>.csv", False)}
    assert "1 snapshot left out" in write_banners(merged, late, None)
    assert "20260102 (&lt;late&gt;.csv)" in write_banners(merged, late, None)


def test_nothing_is_held_back_if_nothing_was_published(pipeline):
    assert pipeline.all_steps(NETFLIX_CSV=pipeline.put(PROJECT.name)).returncode != 0
    assert not published(pipeline).exists()


def test_the_styles_of_the_page_are_small_files():
    assert all(len((ASSETS / name).read_text().splitlines()) <= 400 for name in STYLES)
