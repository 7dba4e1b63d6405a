"""What readers get: the published copy, the KPI files, the dictionary; and when they get it."""

import csv
import os
import re
import subprocess
import time
from pathlib import Path

import duckdb
import lkml
import pytest
from conftest import PROJECT, RECORDS, Pipeline, catalogue, title
from documents import read_documents
from readers import holding, reading

STEPS = ("08_build_analytics", "09_publish")
VIEWS = ["analytics_netflix_current", "cdc_netflix_changes", "dim_title"]  # no second copy of rows
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=cmd|'/c calc'!A1",
    "+1-2",
    "@SUM(A1)",
    "＝1+1",
    'quote " comma , and "both"',
    "🎬 שלום |table| `code`",
    "x" * 3000,
)


def run(pipeline: Pipeline, *records: dict[str, str], **settings: str):
    """The whole chain, with 08 and 09, in this process."""
    source = pipeline.put(catalogue(*records))
    done = pipeline.all_steps(NETFLIX_CSV=source, **settings)
    return done if done.returncode else pipeline.steps(*STEPS, **settings)


def published(pipeline: Pipeline) -> Path:
    return pipeline.root / "data" / "published"


def current(pipeline: Pipeline) -> str:
    return str((published(pipeline) / "current").readlink())


def titles(count: int, **values: str) -> list[dict[str, str]]:
    return [title(number, **values) for number in range(1, count + 1)]


def rows(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_copy_holds_what_the_warehouse_holds_and_can_be_opened_next_to_it(pipeline):
    done = run(pipeline, *titles(5))
    assert (done.returncode, done.stderr) == (0, "")
    path = published(pipeline) / "netflix.duckdb"
    ours = pipeline.tables(leave_out=f"{RECORDS}")
    with duckdb.connect(str(path), read_only=True) as con:
        names = {
            name
            for (name,) in con.execute(
                "SELECT table_name FROM information_schema.tables"
            ).fetchall()
        }
        for name in names - set(RECORDS.split()):
            found = sorted(con.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            assert found == ours[name], name
        assert {"kpi_top_genres", "dim_title", "analytics_netflix_current", "ops_merges"} <= names
        silent = con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE coalesce(comment, '') = '' UNION ALL "
            "SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL UNION ALL "
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE coalesce(comment, '') = '' AND NOT internal"
        ).fetchall()
        assert silent == []
        views = con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1")
        assert [name for (name,) in views.fetchall()] == VIEWS
        with duckdb.connect(str(pipeline.root / "dw.db")):  # a writer is at work: nobody waits
            assert con.execute("SELECT sum(titles) FROM kpi_movies_vs_tv").fetchone() == (5,)


def test_a_hostile_value_is_exact_in_one_file_and_harmless_in_the_other(pipeline):
    people = [
        title(number, director=text.replace(",", ""), listed_in=text.replace(",", " "))
        for number, text in enumerate(HOSTILE, 1)
    ]
    assert run(pipeline, *people).returncode == 0
    genres = {" ".join(record["listed_in"].split()) for record in people}
    kpi = published(pipeline) / "kpi"
    exact = {row[0] for row in rows(kpi / "kpi_top_genres.csv")[1:]}
    assert exact == genres
    with duckdb.connect() as con:
        parquet = con.execute(f"SELECT genre FROM '{kpi}/kpi_top_genres.parquet'").fetchall()
    assert {genre for (genre,) in parquet} == genres
    safe = {row[0] for row in rows(kpi / "kpi_top_genres.spreadsheet.csv")[1:]}
    assert safe == {f"'{genre}" if genre[0] in "=+-@＝" else genre for genre in genres}
    for plain, other in zip(
        rows(kpi / "kpi_top_genres.csv"), rows(kpi / "kpi_top_genres.spreadsheet.csv"), strict=True
    ):
        assert plain[1:] == other[1:]  # numbers are as they were


@pytest.mark.slow
def test_a_hostile_title_is_exact_in_one_file_and_harmless_in_the_other(pipeline):
    """The files of what changed have titles, old and new."""
    settings = {"FRESHNESS_DAYS": "36500"}
    before = titles(len(HOSTILE))
    after = [one | {"title": text} for one, text in zip(before, HOSTILE, strict=True)]
    assert run(pipeline, *before, SNAPSHOT_AT="2026-01-01", **settings).returncode == 0
    assert run(pipeline, *after, SNAPSHOT_AT="2026-01-02", **settings).returncode == 0
    kpi = published(pipeline) / "kpi"
    exact = rows(kpi / "kpi_last_changes.csv")[1:]
    names = {" ".join(text.split()) for text in HOSTILE}
    assert {row[2] for row in exact} == {row[5] for row in exact} == names
    safe = rows(kpi / "kpi_last_changes.spreadsheet.csv")[1:]
    assert {row[2] for row in safe} == {f"'{one}" if one[0] in "=+-@＝" else one for one in names}


@pytest.mark.slow
def test_only_the_spreadsheets_files_begin_with_a_byte_order_mark(pipeline):
    assert run(pipeline, *titles(2, director="Raúl Prueba")).returncode == 0
    marked = {
        path.name
        for path in (published(pipeline) / "kpi").iterdir()
        if path.read_bytes().startswith(b"\xef\xbb\xbf")
    }
    assert marked == {path.name for path in (published(pipeline) / "kpi").glob("*.spreadsheet.csv")}
    people = (published(pipeline) / "kpi/kpi_top_people.spreadsheet.csv").read_text("utf-8-sig")
    assert people.startswith("person,role,titles\n") and "Raúl Prueba" in people


@pytest.mark.slow
def test_the_documented_command_verifies_a_version(pipeline, published_once):
    pipeline.copy_of(published_once)
    (command,) = set(re.findall(r"`(sha256sum [^`]+)`", read_documents()))
    place = published(pipeline)
    assert subprocess.run(command.split(), cwd=place, capture_output=True).returncode == 0
    page = place / "dashboard.html"
    page.write_text(page.read_text() + " ")
    assert subprocess.run(command.split(), cwd=place, capture_output=True).returncode == 1


@pytest.mark.slow
def test_a_kpi_without_a_file_is_dropped_and_not_published(pipeline):
    assert run(pipeline, *titles(2)).returncode == 0
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("CREATE VIEW kpi_extra AS SELECT 1 AS one")
    assert run(pipeline, *titles(3)).returncode == 0
    assert (
        pipeline.query("SELECT view_name FROM duckdb_views() WHERE view_name = 'kpi_extra'") == []
    )
    assert not list((published(pipeline) / "kpi").glob("kpi_extra*"))


def test_the_dictionary_names_every_table_and_column(pipeline, published_once):
    pipeline.copy_of(published_once)
    text = (published(pipeline) / "dictionary.md").read_text()
    with duckdb.connect(str(published(pipeline) / "netflix.duckdb"), read_only=True) as con:
        for table, column in con.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'netflix'"
        ).fetchall():
            section = text.split(f"\n## {table}\n")[1].split("\n## ")[0]
            assert f"| {column.replace('_', chr(92) + '_')} | " in section
    assert "```mermaid" in text


@pytest.mark.slow
def test_the_diagram_shows_every_star_table_and_joins_that_hold(pipeline):
    people = [
        title(number, director="Jo Do, Al Li" if number % 2 else "") for number in range(1, 9)
    ]
    assert run(pipeline, *people).returncode == 0
    text = (published(pipeline) / "dictionary.md").read_text()
    joins = set(re.findall(r'^    (\w+) \|\|--(\S+) (\w+) : "(\w+) = (\w+)"$', text, re.MULTILINE))
    shown = {table for one, _, other, *_ in joins for table in (one, other)}
    with duckdb.connect(str(published(pipeline) / "netflix.duckdb"), read_only=True) as con:
        tables = [
            name
            for (name,) in con.execute(
                "SELECT table_name FROM information_schema.tables"
            ).fetchall()
        ]
        star = {name for name in tables if name.startswith(("dim_", "fact_", "bridge_"))}
        assert star <= shown <= set(tables)
        for one, kind, other, key, foreign in joins:
            count, distinct, used, lost = con.execute(
                f"SELECT count({key}), count(DISTINCT {key}), "
                f"(SELECT count({foreign}) FROM {other}), (SELECT count(*) FROM {other} "
                f"ANTI JOIN {one} ON {other}.{foreign} = {one}.{key}) FROM {one}"
            ).fetchone()
            assert count == distinct and lost == 0 and (kind != "||" or used == count), (one, other)
    assert used_joins() <= {
        frozenset({(one, key), (other, by)}) for one, _, other, key, by in joins
    }


def used_joins() -> set[frozenset]:
    """The joins between star tables in KPIs and sums, each as two pairs of table and column."""
    found = set()
    made_by = [PROJECT / "sql/analytics" / name for name in ("kpis.sql", "count_all.sql")]
    for statement in "".join(path.read_text() for path in made_by).split(";\n"):
        tables = r"(?:FROM|JOIN) ((?:dim|fact|bridge)_\w+)(?: AS (\w+))?"
        names = {alias or name: name for name, alias in re.findall(tables, statement)}
        for one, column, other, by in re.findall(r"ON (\w+)\.(\w+) = (\w+)\.(\w+)", statement):
            if one in names and other in names:
                found.add(frozenset({(names[one], column), (names[other], by)}))
    assert len(found) > 3
    return found


@pytest.mark.slow
def test_the_copy_answers_for_a_moment_and_for_what_changed_in_between(pipeline):
    old = {"SNAPSHOT_AT": "2026-01-01", "FRESHNESS_DAYS": "36500"}
    assert run(pipeline, *titles(3), **old).returncode == 0
    after = [title(1, rating="R"), title(3), title(4)]
    assert run(pipeline, *after, **old | {"SNAPSHOT_AT": "2026-01-02"}).returncode == 0
    with duckdb.connect(str(published(pipeline) / "netflix.duckdb"), read_only=True) as con:
        for query in re.findall(
            r"^.*(?:catalog_as_of|changes_between)\(.*;$", read_documents(), re.MULTILINE
        ):
            con.execute(query)
        then = con.execute("SELECT count(*) FROM catalog_as_of(TIMESTAMP '2026-01-01 12:00:00')")
        assert then.fetchone() == (3,)
        changed = con.execute(
            "SELECT operation, column_name, new_value FROM changes_between("
            "TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-02 00:00:00') ORDER BY ALL"
        ).fetchall()
    assert changed == [
        ("delete", None, None),
        ("insert", None, "Title 4"),
        ("update", "rating", "R"),
    ]


@pytest.mark.slow
def test_the_rows_of_the_last_audit_are_exported_for_a_spreadsheet(pipeline):
    assert run(pipeline, title(1, rating="=1+1"), title(2)).returncode == 0
    assert run(pipeline, title(1, rating="XX"), title(2)).returncode == 0
    path = published(pipeline) / "check_failures.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbfcheck_name,severity,")
    found = [row for row in rows(path)[1:] if row[0] == "accepted_ratings"]
    assert len(found) == 1 and "XX" in found[0][-1] and found[0][1] == "warn"


@pytest.mark.slow
def test_flat_files_are_written_on_request_only(pipeline):
    done = pipeline.python("-m", "publish.flat_files")
    assert (done.returncode, "make run-all" in done.stderr) == (2, True)
    assert run(pipeline, title(1, title="=1+1"), title(2, director="Raúl Prueba")).returncode == 0
    assert not (pipeline.root / "data/export").exists()
    for ends in ("", ", as before"):
        done = pipeline.python("-m", "publish.flat_files")
        assert (done.returncode, done.stderr, done.stdout.endswith(f"{ends}\n")) == (0, "", True)
    (folder,) = (pipeline.root / "data/export").iterdir()
    catalogue_csv = (folder / "catalogue.csv").read_bytes()
    assert catalogue_csv.startswith(b"\xef\xbb\xbftitle_id,")
    assert b",'=1+1," in catalogue_csv and "Raúl Prueba".encode() in catalogue_csv
    with duckdb.connect(str(published(pipeline) / "netflix.duckdb"), read_only=True) as con:
        star = con.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE regexp_matches(table_name, '^(dim|fact|bridge)_')"
        ).fetchall()
        assert {path.stem for path in folder.glob("*.parquet")} == {name for (name,) in star}
        for (name,) in star:
            file = f"SELECT * FROM read_parquet('{folder}/{name}.parquet')"
            assert con.execute(f"({file}) EXCEPT ALL FROM {name}").fetchall() == []


def test_looker_reads_the_view_and_the_explore(pipeline, published_once):
    pipeline.copy_of(published_once)
    folder = published(pipeline) / "lookml"
    view = lkml.load((folder / "netflix_titles.view.lkml").read_text())["views"][0]
    model = lkml.load((folder / "netflix.model.lkml").read_text())
    assert model["includes"] == ["netflix_titles.view.lkml"]
    assert [explore["name"] for explore in model["explores"]] == [view["name"]]
    with duckdb.connect(str(published(pipeline) / "netflix.duckdb"), read_only=True) as con:
        table = con.table(view["sql_table_name"])
        assert [one["name"] for one in view["dimensions"]] == table.columns
        for one in view["dimensions"]:
            assert one["description"]
            con.execute(f"SELECT {one['sql'].replace('${TABLE}', 't')} FROM {table.alias} AS t")


def test_a_second_run_publishes_nothing_new(pipeline, published_once):
    pipeline.copy_of(published_once)
    before = pipeline.digests("data/published"), current(pipeline)
    done = pipeline.step("09_publish")
    assert (done.returncode, "as before" in done.stdout) == (0, True)
    assert run(pipeline, *titles(40), NEWEST_TITLE_DAYS="36500").returncode == 0
    assert (
        pipeline.digests("data/published"),
        current(pipeline),
    ) == before


def test_nothing_is_published_after_a_failed_audit(pipeline, published_once):
    """But for the page, which says so: test_page_build.py."""
    pipeline.copy_of(published_once)
    before = pipeline.digests("data/published/kpi", "data/published/versions/")
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("UPDATE analytics_netflix_history SET type = 'Game' WHERE show_id = 's1'")
    chain = pipeline.process("run_all", NETFLIX_CSV=str(pipeline.root / "catalogue.csv"))
    assert (chain.returncode, "accepted_types" in chain.stderr) == (30, True)
    assert "publish " not in chain.stdout
    alone = pipeline.step("09_publish")
    assert (alone.returncode, "did not pass; nothing was published" in alone.stderr) == (30, True)
    after = pipeline.digests("data/published/kpi", "data/published/versions/")
    assert before.items() <= after.items()


@pytest.mark.slow
def test_a_merge_that_was_not_audited_is_not_published(pipeline):
    assert run(pipeline, *titles(3)).returncode == 0
    before = pipeline.digests("data/published")
    assert pipeline.land(catalogue(*titles(4))).returncode == 0
    assert pipeline.steps("06_merge_cdc", "08_build_analytics").returncode == 0
    assert pipeline.step("09_publish").returncode == 2
    assert pipeline.digests("data/published") == before


@pytest.mark.slow
def test_an_audit_from_before_the_last_merge_does_not_count(pipeline):
    """A late snapshot rebuilds the history under the same newest batch."""
    assert (
        run(pipeline, *titles(3), SNAPSHOT_AT="2026-11-20", FRESHNESS_DAYS="36500").returncode == 0
    )
    before = pipeline.digests("data/published")
    late = pipeline.land(catalogue(*titles(2)), SNAPSHOT_AT="2026-11-19")
    assert late.returncode == 0, late.stderr
    assert pipeline.steps("06_merge_cdc", "08_build_analytics").returncode == 0
    refused = pipeline.step("09_publish")
    assert (refused.returncode, "make monitor" in refused.stderr) == (2, True)
    assert pipeline.digests("data/published") == before


def test_without_a_warehouse_the_message_says_what_to_run(pipeline):
    done = pipeline.step("09_publish")
    assert (done.returncode, "make run-all" in done.stderr) == (2, True)
    assert not published(pipeline).exists()


@pytest.mark.slow
def test_old_versions_are_kept_and_the_oldest_removed(pipeline):
    for count in (1, 2, 3):
        assert run(pipeline, *titles(count), PUBLISH_KEEP="2").returncode == 0
    kept = sorted(path.name for path in (published(pipeline) / "versions").iterdir())
    assert len(kept) == 2
    assert current(pipeline) == f"versions/{kept[-1]}"


@pytest.mark.slow
def test_the_order_of_publishing_decides_which_versions_are_kept(pipeline):
    """The first one has a time in the future, as of a night with a wrong clock."""
    shown = []
    for count in (1, 2, 3):
        assert run(pipeline, *titles(count), PUBLISH_KEEP="1").returncode == 0
        if count == 1:
            [first] = (published(pipeline) / "versions").iterdir()
            os.utime(first, 2 * (time.time() + 400 * 86_400,))
        shown.append(current(pipeline))
    kept = {f"versions/{path.name}" for path in (published(pipeline) / "versions").iterdir()}
    assert kept == set(shown[1:])


@pytest.mark.slow
def test_readers_see_whole_versions(pipeline):
    """One keeps the first copy open, one opens the newest again and again: none sees a half.

    50 times: tests/reliability/test_concurrency.py, while two chains are started at once.
    """
    assert run(pipeline, *titles(1)).returncode == 0
    with holding(published(pipeline)) as held, reading(published(pipeline)) as seen:
        for count in (2, 3, 4):
            assert run(pipeline, *titles(count), PUBLISH_KEEP="3").returncode == 0
            assert held() == 1
    assert set(seen) <= {1, 2, 3, 4} and len(set(seen)) > 1
