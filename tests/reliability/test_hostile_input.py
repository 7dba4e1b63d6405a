"""A hostile file, name, column or value can do nothing but be data."""

import ast
import csv
import io
import json
import re
import stat
import struct
import subprocess
import threading
import time
import unicodedata
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from conftest import COLUMNS, PROJECT, Pipeline, catalogue, title
from conftest import RECORDS as OF_EACH_RUN
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import read_data

from warehouse.database import identifier, literal

AREA = "Hostile input"
TITLES = [title(number) for number in range(1, 41)]
RECORDS = f"{OF_EACH_RUN} ops_metrics"  # what a run in vain adds to


def sees(result: subprocess.CompletedProcess) -> str:
    """What the step said of its end, without what differs from run to run."""
    lines = (result.stderr or result.stdout).strip().splitlines() or ["(nothing)"]
    ends = [line for line in lines if re.search(r" (stopped|failed|crashed): ", line)]
    text = " ".join((ends or lines)[-1].split())
    text = re.sub(r"(/[\w.\[\]-]+){2,}|[0-9a-f]{12,}|\d{8}T\w+|\d+\.\d+ s", "...", text)
    return re.sub(r":\d{4,5}\b", ":port", text)[:140]


def harmless(*texts: str) -> None:
    """No character but the line feed does anything on a terminal."""
    for text in texts:
        assert {c for c in text if not c.isprintable()} <= {"\n"}


def logs(pipeline: Pipeline) -> list[str]:
    """All that a person may look at with `cat`: the logs, and the alerts that wait."""
    files = [*pipeline.root.glob("logs/*"), *pipeline.root.glob("data/alerts/**/*.json")]
    assert len(files) >= 2
    return [path.read_bytes().decode() for path in files]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Pipeline:
    """A whole run, for the tests to start from and to compare with."""
    pipeline = Pipeline(tmp_path_factory.mktemp("undisturbed"))
    pipeline.settings = {"NETFLIX_CSV": pipeline.put(catalogue(*TITLES))}
    done = pipeline.process("run_all")
    assert done.returncode == 0, done.stderr
    return pipeline


def state(pipeline: Pipeline) -> tuple[dict, dict, str]:
    link = pipeline.root / "data/published/current"
    return pipeline.tables(RECORDS), pipeline.digests("data/raw"), str(link.readlink())


# ---------------------------------------------------------------------------- names of columns

NAMES = [
    'a "quoted" name', "semi;colon", "two\r\nlines", "'; DROP TABLE ops_runs; --",
    '"; SELECT 1; --',
    "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m", "\u202egnp", "🎬", "{0}", "%s", "$1", "?", "x" * 3000, "*", "a.b", "[a]",
    "SELECT", "batch_id", "c0", "'", '"', '""', "\\", "a--b", "/* a */", "x'00'", "NULL", "\t|",
]  # fmt: skip


def with_columns(names: list[str], titles: list[dict] = TITLES) -> str:
    return catalogue(*[row | {name: f"{name}!" for name in names} for row in titles])


@pytest.mark.parametrize(
    "count", [pytest.param(n, marks=pytest.mark.slow) for n in (len(NAMES), 1_000 - len(COLUMNS))]
)
def test_hostile_column_names_are_only_names(pipeline, undisturbed, report, count):
    """As many as allowed: exact in raw, known as data, and text on the page and the terminal."""
    names = [*NAMES, *(f"{NAMES[at % len(NAMES)]} {at}" for at in range(count - len(NAMES)))]
    source = pipeline.put(with_columns(names))
    done = pipeline.process("run_all", NETFLIX_CSV=source)
    assert done.returncode == 0, done.stderr
    harmless(done.stdout, done.stderr, *logs(pipeline))
    batch = pipeline.batches()[0]
    assert batch["header"] == [*COLUMNS, *(name.strip() for name in names)]
    found = pipeline.snapshot(batch, "* EXCLUDE (ingestion_ts, source_file, batch_id, record_hash)")
    values = (*(v or None for v in TITLES[0].values()), *(f"{n}!" for n in names))
    assert found[0][:-1] == values  # the last is source_line
    told = {name for (name,) in pipeline.query("SELECT column_name FROM ops_schema_changes")}
    assert told == {name for name in batch["columns"] if name not in COLUMNS}
    ours, theirs = pipeline.tables(RECORDS), undisturbed.tables(RECORDS)
    for name in ("kpi_titles_by_year", "kpi_top_genres", "kpi_top_people", "kpi_titles_by_country"):
        assert ours[name] == theirs[name], name
    for name in ("dashboard.html", "dictionary.md"):
        text = (pipeline.root / "data/published" / name).read_text()
        assert "<script>alert" not in text and "<img" not in text and "\x1b" not in text
    page = read_data(pipeline.root / "data/published/dashboard.html")
    shown = [name for _, name, *_ in page["drift"]]
    assert len(shown) == 20 and set(shown) <= told
    assert count > len(NAMES) or "<script>alert(1)</script>" in shown
    report(AREA, f"{count:,} columns with SQL, HTML, escapes in their names", "02 to 09",
           sees(done), 0, "exact in raw, text on the page")  # fmt: skip


@pytest.mark.slow
def test_a_column_renamed_to_a_hostile_name_is_found_by_its_values(tmp_path, undisturbed, report):
    for number, name in enumerate(NAMES):
        pipeline = Pipeline(tmp_path / str(number)).copy_of(undisturbed)
        before = pipeline.tables(f"{RECORDS} ops_schema_changes raw_netflix_titles")
        rows = [{name if key == "title" else key: v for key, v in row.items()} for row in TITLES]
        failed = pipeline.steps(
            "02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema",
            NETFLIX_CSV=pipeline.put(catalogue(*rows), "renamed.csv"),
        )  # fmt: skip
        assert failed.returncode == 20, failed.stderr
        assert "required column title is not in the file." in failed.stderr
        assert "looks like it, renamed (100.0 % equal by key)" in failed.stderr, failed.stderr
        harmless(failed.stdout, failed.stderr, *logs(pipeline))
        told = failed.stderr.splitlines()  # no name makes a line of its own
        assert all(line.startswith(("schema    ", " " * 10)) for line in told), told
        del before["contract_netflix_titles"]  # the view of before, over a raw that has no title
        with duckdb.connect(str(pipeline.root / "dw.db")) as con:
            con.execute("DROP VIEW contract_netflix_titles")
        after = pipeline.tables(f"{RECORDS} ops_schema_changes raw_netflix_titles")
        assert after == before
        repaired = pipeline.process("run_all", **undisturbed.settings) if not number else None
        assert not repaired or repaired.returncode == 0, repaired.stderr
    report(AREA, "a required column renamed to SQL, HTML, escapes", "04", sees(failed), 20,
           "old state", len(NAMES))  # fmt: skip


@pytest.mark.slow
def test_10000_hostile_columns_are_refused(pipeline, undisturbed, report):
    pipeline.copy_of(undisturbed)
    before = state(pipeline)
    names = [f"{NAMES[at % len(NAMES)][:40]} {at}" for at in range(10_000 - len(COLUMNS))]
    failed = pipeline.refused(pipeline.put(with_columns(names, TITLES[:1])))
    assert "names 10,000 columns, allowed are 1,000" in failed.stderr
    assert state(pipeline) == before
    report(AREA, "10,000 columns with hostile names", "02", sees(failed), 20, "old state")


# ------------------------------------------------------------------------------ names of files

FILES = [
    "c[a-z]?*{1,2}.csv", "*.csv", "?.csv", "[a].csv", "it's \"the\" file.csv", "-rf.csv", "--help",
    "two\nlines.csv", "a;b.csv", "  blanks  .csv ", "$(touch owned).csv", "`id`.csv", "a|b&c.csv",
    "\x1b[31mred.csv", "%s{0}$1.csv", "\u202evsc.exe.csv", "'); DROP TABLE ops_runs; --.csv",
    "~.csv",
    "#?a=b.csv", "a\\b.csv", "é🎬.csv", "CON.csv", "a" * 240 + ".csv",
]  # fmt: skip


@pytest.mark.parametrize("inside", [False, True], ids=["plain", "in a zip"])
@pytest.mark.parametrize(
    "files", [FILES[:3], pytest.param(FILES, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_hostile_file_name_is_only_a_name(tmp_path, report, files, inside):
    """Every other file of the folder is left alone, also where the name as a glob would take it."""
    for number, name in enumerate(files):
        pipeline = Pipeline(tmp_path / str(number))
        pipeline.root.mkdir()
        for decoy in ("a.csv", "ca1.csv", "c[a-z]x1.csv"):
            pipeline.put(catalogue(title(999)), decoy)
        content: str | bytes = catalogue(*TITLES)
        if inside:
            content = zipped({name if name.endswith(".csv") else f"{name}.csv": content})
        source = pipeline.put(content, "archive.zip" if inside else name)
        done = pipeline.step("02_create_raw_layer", NETFLIX_CSV=source)
        assert done.returncode == 0, (name, done.stderr)
        assert pipeline.batches()[0]["source"] == Path(source).name
        assert pipeline.snapshot(pipeline.batches()[0], "title") == [(t["title"],) for t in TITLES]
        harmless(done.stdout, done.stderr, (pipeline.root / "logs/pipeline.log").read_text())
        assert not [path for path in pipeline.root.rglob("owned")]
    report(AREA, "file name of globs, quotes, line feed, shell" + " in a zip" * inside, "02",
           sees(done), 0, "new state", len(files))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["da*ta [a]", 'it\'s; "a"', "two\nlines", "-rf", "{a,b}", "x=1", "%s é🎬"]
)
def test_hostile_folder_names_are_only_names(tmp_path, undisturbed, report, name):
    (tmp_path / "daxta a").mkdir()
    pipeline = Pipeline(tmp_path / name)
    pipeline.root.mkdir()
    source = {"NETFLIX_CSV": pipeline.put(catalogue(*TITLES))}
    done = pipeline.process("run_all", **source)
    assert done.returncode == 0, done.stderr
    for step in ("10_rebuild_warehouse", "run_all", "operations/status"):
        assert pipeline.process(step, **source).returncode == 0
    assert pipeline.process("10_rebuild_warehouse", "--verify", **source).returncode == 0
    ours, theirs = pipeline.tables(RECORDS), undisturbed.tables(RECORDS)
    assert ours["kpi_top_people"] == theirs["kpi_top_people"] and len(ours["dim_title"]) == 40
    assert {path.name for path in tmp_path.iterdir()} == {"daxta a", name}
    report(AREA, "DATA_DIR, WAREHOUSE_PATH, LOG_DIR of globs, quotes, line feed", "02 to 10",
           sees(done), 0, "new state")  # fmt: skip


def test_a_warehouse_whose_path_duckdb_would_misread_is_refused(pipeline, report):
    failed = pipeline.step(
        "02_create_raw_layer", WAREHOUSE_PATH=str(pipeline.root / "a?b" / "dw.db")
    )
    assert (failed.returncode, list(pipeline.root.iterdir())) == (2, [])
    assert "allowed is a file, no URL, UTF-8, no ?" in failed.stderr
    report(AREA, "WAREHOUSE_PATH with a ?", "any step", sees(failed), 2, "unchanged")


# -------------------------------------------------------------------------------------- values

BIDI = "\u202egnp.exe"  # stays in a title, and turns a line of the terminal around
VALUES = [
    "Robert'); DROP TABLE staging_netflix_titles;--", '" OR ""="', "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>", "<!-- <script>", "]]>", "&lt;b&gt;",
    "=cmd|' /C calc'!A0",
    "+1+1", "-2+3", "@SUM(A1:A9)", "\t=1+1", "\r=2+2", " =3+3", "＝1+1", "\x1b[31mred\x1b[0m",
    "\x1b]0;owned\x07title", "\x9b31mred", "bell\x07 back\x08 del\x7f", BIDI,
    "\u2066isolated\u2069", "zero\u200bwidth\ufeff", "a\u200db", "🎬👨\u200d👩\u200d👧 愛",
    "e\u0301", "x" * 3000, "${jndi:ldap://x}", "{{7*7}}", "%s%n{0}$1?", "$(touch owned)`id`",
    "NULL", "'", "\\",
    "over\nthree\r\nlines", "\u2028line\u2029", "[a](javascript:alert(1))", "| cell | `code`",
]  # fmt: skip


def clean(text: str) -> str:
    """What sql/macros.sql makes of a text."""
    blank = lambda c: c in "\u200b\ufeff" or unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc")  # noqa: E731
    text = "".join(" " if blank(c) else c for c in unicodedata.normalize("NFC", text))
    return " ".join(text.split(" ")).strip() if "  " not in text else " ".join(text.split())


def column(path: Path, name: str) -> set[str]:
    with open(path, encoding="utf-8", newline="") as file:
        return {row[name] for row in csv.DictReader(file)}


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.slow
def test_hostile_values_are_exact_where_machines_read_and_text_where_people_do(
    pipeline, report, log_format
):
    one = [value.replace(",", " ") for value in VALUES]  # in a list one entry
    records = [
        title(n, title=value, director=name, cast=name, country=name, listed_in=name, rating=name,
              description=value)
        for n, (value, name) in enumerate(zip(VALUES, one, strict=True), 1)
    ]  # fmt: skip
    odd = [title(500 + n, type=value, date_added=value) for n, value in enumerate(VALUES)]
    lost = [title(600 + n, date_added=value, duration=value) for n, value in enumerate(VALUES)]
    sound = [title(2000 + n) for n in range(150)]
    text = catalogue(*records, *odd, *lost, *sound) + "s998,Movie,a\0b,,,,,2020,,,,\r\n"
    text += "s999,Movie,\x1b[31mshort\r\ns1000,Movie,Sound,,,,,2020,,,,\r\n"
    many = {"MAX_QUARANTINED_ROWS": "999", "MAX_LOST_IN_CAST_ROWS": "999"}
    pipeline.settings = many | {
        "ALERT_URLS": "json://127.0.0.1:1/x", "LOG_FORMAT": log_format,
        "NETFLIX_CSV": pipeline.put(text),
    }  # fmt: skip
    done = [pipeline.process("run_all")]
    assert done[0].returncode == 0, done[0].stderr

    # ... exact
    batch = pipeline.batches()[0]
    raw = pipeline.snapshot(batch, "title, director, rating")
    assert raw[: len(records)] == [(r["title"], r["director"], r["rating"]) for r in records]
    rejects = [text for (text,) in pipeline.snapshot(batch, "raw_text", "rejects")]
    assert rejects == ["s998,Movie,a\0b,,,,,2020,,,,", "s999,Movie,\x1b[31mshort"]
    published = pipeline.root / "data/published"
    wanted = {f"s{n}": clean(value) for n, value in enumerate(VALUES, 1)}
    with duckdb.connect(str(published / "netflix.duckdb"), read_only=True) as con:
        for table in ("analytics_netflix_current", "analytics_netflix_history"):
            found = dict(con.execute(f"SELECT show_id, title FROM {table}").fetchall())
            assert {key: found[key] for key in wanted} == wanted, table
        titles = {name for (name,) in con.execute("SELECT title FROM dim_title").fetchall()}
        assert set(wanted.values()) <= titles
    names = {clean(name) for name in one}
    for kpi, field in (
        ("top_genres", "genre"), ("titles_by_rating", "rating"), ("titles_by_country", "country"),
    ):  # fmt: skip
        assert names <= column(published / f"kpi/kpi_{kpi}.csv", field), kpi
    for path in (published / "kpi").glob("*.spreadsheet.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
                    assert number or not re.match(r"\s*[=+\-@＝]|[\t\r]", cell), (path.name, cell)

    # ... and text
    html = (published / "dashboard.html").read_text()
    assert names <= set(read_data(published / "dashboard.html")["names"]["genre"])
    assert "<script>alert" not in html and "<img" not in html and html.count("<!--") <= 1
    changed = [row | {"title": row["title"] + " II"} for row in records]
    other = {"NETFLIX_CSV": pipeline.put(catalogue(*changed, *odd, *lost, *sound), "next.csv")}
    for name, *arguments in (
        ("01_inspect_data",), ("06_merge_cdc", "--plan"), ("11_explain_title", VALUES[15]),
        ("11_explain_title", f"s{1 + VALUES.index(BIDI)}"), ("run_all", "--quiet"),
        ("operations/status",),
        ("07_monitor_pipeline",),
    ):  # fmt: skip
        done.append(pipeline.process(name, *arguments, **other))
        assert done[-1].returncode in (0, 2), (name, done[-1].stderr)
    assert [one.returncode for one in done] == [0, 0, 0, 2, 0, 0, 0, 0], [d.stderr for d in done]
    assert list((pipeline.root / "data/alerts/spool").glob("*.json"))
    harmless(*(one.stdout + one.stderr for one in done), *logs(pipeline))
    for path in (pipeline.root / "data/alerts/spool").glob("*.json"):
        harmless(*json.loads(path.read_text()).values())
    assert not list(pipeline.root.rglob("owned"))
    report(AREA, "SQL, HTML, formulas, escapes, bidi marks, 3,000 signs as values", "02 to 11",
           sees(done[4]), 0, "exact in tables, text on page and terminal", len(VALUES))  # fmt: skip


# ------------------------------------------------------------------------------------ archives

HEADER = b"show_id,type,title,release_year\n"
LINE = b"s%d,Movie,All work and no play,2020\n"


def zipped(members: dict[str, str | bytes], link: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ((stat.S_IFLNK if name == link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, content)
    return out.getvalue()


def bomb(block: bytes, times: int, claimed: int) -> bytes:
    """A ZIP of `block`, `times` over; its compressed form is what is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(HEADER) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    data = first + piece * times + packer.flush()
    name, fields = b"a.csv", (20, 0, 8, 0, 33, 0, len(data), claimed, 5, 0)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + name
    listed = struct.pack("<4sH5H3I2H3H2I", b"PK\1\2", 20, *fields, 0, 0, 0, 0, 0) + name
    at = len(local) + len(data)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(listed), at, 0)
    return local + data + listed + end


GIGABYTES = 2**32 - 2  # what a ZIP's plain header can claim
ZEROS, LINES = bytes(4 << 20), (LINE % 1) * 120_000
BAD = {
    "zip of 4 GB of zeros": lambda: bomb(ZEROS, 1023, GIGABYTES),
    "zip of 4 GB of lines": lambda: bomb(LINES, 970, GIGABYTES),
    "zip that says it is small": lambda: bomb(LINES, 970, 500),
    "zip with a link to /etc/hostname": lambda: zipped({"a.csv": "/etc/hostname"}, link="a.csv"),
    "zip with a file and a link": lambda: zipped(
        {"a.csv": catalogue(*TITLES), "b.csv": "../../dw.db"}, link="b.csv"
    ),
    "zip in a zip": lambda: zipped({"a.csv": zipped({"a.csv": catalogue(*TITLES)})}),
}
NAMED = {
    "../ name": "../../../evil.csv",
    "absolute name": "/tmp/netflix-evil.csv",
    "drive": "C:\\evil.csv",
    "backslash": "..\\evil.csv",
    "bare dots": "..csv",
    "NUL": "evil\0.txt.csv",
    "line feed and escape": "a\n\x1b[31m.csv",
}


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=pytest.mark.slow) for fault in BAD])
def test_a_hostile_archive_is_refused_soon_and_leaves_nothing(pipeline, undisturbed, report, fault):
    pipeline.copy_of(undisturbed).settings = undisturbed.settings
    before = state(pipeline)
    source = pipeline.put(BAD[fault](), "archive.zip")
    assert Path(source).stat().st_size < 20_000_000
    start = time.perf_counter()
    failed = pipeline.refused(source, MAX_FILE_SIZE="200MB")
    assert time.perf_counter() - start < 60
    assert state(pipeline) == before
    again = pipeline.process("run_all")
    assert again.returncode == 0 and state(pipeline) == before, again.stderr
    report(AREA, fault, "02", sees(failed), 20, "old state")


@pytest.mark.parametrize("fault", NAMED)
def test_a_path_in_an_archive_is_never_used(tmp_path, pipeline, report, fault):
    pipeline.root = tmp_path / "deep" / "deeper"
    pipeline.root.mkdir(parents=True)
    done = pipeline.step(
        "02_create_raw_layer",
        NETFLIX_CSV=pipeline.put(zipped({NAMED[fault]: catalogue(*TITLES)}), "a.zip"),
    )
    harmless(done.stdout, done.stderr)
    assert (done.returncode, not pipeline.batches()) in ((0, False), (20, True))
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert not list(tmp_path.rglob("*evil*")) and not Path("/tmp/netflix-evil.csv").exists()
    after = "new state" if done.returncode == 0 else "unchanged"
    report(AREA, f"zip member with {fault}", "02", sees(done), done.returncode, after)


# ---------------------------------------------------------------------------------------- http


class Endless:
    """A server that never comes to an end, in one of several ways."""

    def __init__(self, way: str):
        self.stop, outer = threading.Event(), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    outer.answer(self, way)
                except OSError:
                    return

            def log_message(self, *_):
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/a.csv"

    def answer(self, handler: BaseHTTPRequestHandler, way: str) -> None:
        write, block = handler.wfile.write, HEADER + LINE % 1 * 30_000
        if way == "redirects":
            handler.send_response(302)
            handler.send_header("Location", f"/{time.time_ns()}.csv")
            handler.end_headers()
            return
        handler.send_response(200)
        if way == "headers":
            while not self.stop.is_set():
                write(b"X-%d: y\r\n" % time.time_ns())
        if way == "header line":
            while not self.stop.is_set():
                write(b"x" * 65_536)
        chunked = way == "chunked body"
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while not self.stop.is_set():
            write(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)

    def close(self) -> None:
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["body", "chunked body", "headers", "header line", "redirects"])
def test_an_endless_answer_comes_to_an_end(pipeline, undisturbed, report, way):
    pipeline.copy_of(undisturbed).settings = undisturbed.settings
    before, server = state(pipeline), Endless(way)
    limits = {"MAX_FILE_SIZE": "20MB", "HTTP_RETRIES": "0", "HTTP_TIMEOUT_S": "5"}
    try:
        failed = pipeline.refused(server.url, **limits)
    finally:
        server.close()
    assert state(pipeline) == before
    report(AREA, f"endless {way} over http", "02", sees(failed), 20, "old state")


# --------------------------------------------------------------------------------- identifiers

QUOTED = duckdb.connect()
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
SPIKED = st.lists(
    st.sampled_from(['"', '""', "'", ";", "--", "/*", "\n", "\\", "$$", "a", "\ufeff"])
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(TEXTS | SPIKED.map("".join).filter(bool))
def test_duckdb_reads_a_quoted_name_as_exactly_that_name(name):
    with QUOTED.cursor() as con:
        con.execute(f"CREATE OR REPLACE TABLE t ({identifier(name)} INTEGER)")
        con.execute("INSERT INTO t VALUES (1)")
        assert con.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = 't'"
        ).fetchall() == [(name,)]
        found = con.execute(f"SELECT {identifier(name)}, {literal(name)} FROM t")
        assert found.description[0][0] == name
        assert found.fetchall() == [(1, name)]


def test_what_cannot_be_a_name_is_refused_before_it_is_sql():
    for name in ("", "\0", "a\0b"):
        with pytest.raises(ValueError, match="not usable as a column name"):
            identifier(name)


@pytest.mark.slow
def test_the_quoting_of_names_is_reported(report):
    """The row in the table: 5,000 more names than the quick test has."""
    tried = []

    @settings(max_examples=5_000, deadline=None, derandomize=True, database=None)
    @given(TEXTS | SPIKED.map("".join).filter(bool))
    def holds(name):
        with_name = con.execute(f"SELECT 1 AS {identifier(name)}, {literal(name)}")
        assert with_name.description[0][0] == name and with_name.fetchall() == [(1, name)]
        tried.append(name)

    with duckdb.connect() as con:
        holds()
    report(AREA, "any text as a column name or a value in SQL", "warehouse.identifier, literal",
           f"DuckDB {duckdb.__version__} reads back the same", 0, "exact", len(tried))  # fmt: skip


PYTHON = PROJECT / "python"
# Everything else that Python puts into SQL, and why it is no name from outside.
PUT_INTO_SQL = {
    "10_rebuild_warehouse.py": {"table"},  # constants of the file
    "analytics/star_schema.py": {"', '.join(names)"},  # columns of analytics_build
    "audit/checks.py": {"table", "marks", "CURRENT"},  # own names, question marks
    "audit/scope.py": {"', '.join(RECORD)"},  # constants of the file
    "engines/base.py": {"name", "kind", "shown", "order"},  # own tables, DuckDB's types, quoted
    "engines/bigquery.py": {"table", "kind"},  # a setting that is checked, and own views; types
    "engines/migrate.py": {"table"},  # constants of the file
    "engines/snowflake.py": {"view", "kind", "signature", "code", "numbers", "entries", "sql"},
    "engines/spark.py": {"OBJECTS", "name", "place", "view"},  # own names, text()
    "history/tables.py": {"table"},
    "ingest/csv_feed.py": {"number", "limit"},  # numbers
    "ingest/profile.py": {"complete", "key", "bool(keys)"},  # c0, c1 ... and one of two words
    "mirror/cloud.py": {"change.query"},  # quoted in difference.py
    "mirror/difference.py": {  # quoted by identifier(), or constants of the file
        *("forms.get(kind, '{}').format(value)", "text", "NOTHING", "source", "self.added", "name"),
        *("self.ended", "table.source", "rule.added", "ended", "self.hashed(values)"),
    },
    "mirror/lake.py": {"change.query", "options"},  # quoted in difference.py
    "mirror/services.py": {  # made by SELF_QUOTING
        *("target", "columns", "source", "key", "pairs", "', '.join(names)", "values", "rows"),
        *("names[0]", "value", "query", "kind", "column", "text", "stage"),
    },
    "publish/exports.py": {  # quoted, or constants
        *("name", "FORMULA_START", "query", "options", "kind", "target"),
    },
    "runner/lock.py": {"other", "since", "age"},  # a message
    "staging/files.py": {"view", "name", "query"},  # own names, own SQL
    "staging/foresee.py": {"place"},  # a number
    "staging/schema_drift.py": {  # quoted by identifier() and literal()
        "table",
        "clean(column)",
        "cleaned",
        "value",
        "names[column.name][0]",
        "PARSERS[column.type].format(*names[column.name])",
        "PARSERS[column.type].format(value, literal(column.name))",
    },
    "warehouse/columns.py": {"table"},
    "warehouse/database.py": {"view"},
}
SQL = re.compile(
    r"\b(SELECT|FROM|CREATE|INSERT|SET|ATTACH|COPY|COMMENT|CASE|COLUMN|TABLE|AS)\b|read_"
)
# Methods of a service of the mirror: how it quotes names and values.
SELF_QUOTING = ("name", "text", "table", "columns", "number")
QUOTING = (
    "identifier", "literal", "read_csv_query", "escape_formula", "max", "len", "text",
    "parquet_options",
)  # fmt: skip


def is_quoted(node: ast.AST, names: dict[str, list[ast.AST]], known: dict[str, bool]) -> bool:
    """Whether all of an expression is constant, went through QUOTING, or is `known`.

    Of `known` those that were met become True.
    """
    again = lambda *nodes: all([is_quoted(one, names, known) for one in nodes])  # noqa: E731
    if ast.unparse(node) in known:
        known[ast.unparse(node)] = True
        return True
    match node:
        case ast.Constant() | ast.Name(id="SAMPLE_ROWS" | "STORAGE_VERSION"):
            return True
        case ast.Call(func=ast.Name(id=function)) if function in QUOTING:
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attr)) if (
            attr in SELF_QUOTING
        ):
            return True
        case ast.Call(func=ast.Attribute(attr="sql")):  # sqlglot quotes what it writes
            return True
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[what]):
            return again(what)
        case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id=function), _]):
            return function in QUOTING
        case ast.GeneratorExp(elt=what) | ast.ListComp(elt=what) | ast.Starred(value=what):
            return again(what)
        case ast.IfExp(body=one, orelse=other):
            return again(one, other)
        case ast.List(elts=parts) | ast.JoinedStr(values=parts):
            return again(*parts)
        case ast.FormattedValue(value=what):
            return again(what)
        case ast.Name(id=name) if name in names:
            others = {other: values for other, values in names.items() if other != name}
            return all([is_quoted(one, others, known) for one in names[name]])
    return False


def test_no_other_place_builds_sql_from_names():
    """A name from a file would get into a statement here; each exception is listed above."""
    unknown = []
    for path in sorted(PYTHON.rglob("*.py")):
        file = str(path.relative_to(PYTHON))
        tree, known = ast.parse(path.read_text()), dict.fromkeys(PUT_INTO_SQL.get(file, ()), False)
        for part in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
            names: dict[str, list[ast.AST]] = {}
            for node in ast.walk(part):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    names.setdefault(node.targets[0].id, []).append(node.value)
            for node in ast.walk(part):
                match node:  # no + and no % and no .format
                    case ast.Call(func=ast.Attribute(attr="execute" | "sql"), args=[what, *_]):
                        assert not isinstance(what, ast.BinOp), f"{file}:{node.lineno}"
                if not isinstance(node, ast.JoinedStr):
                    continue
                text = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
                if not SQL.search(text):
                    continue
                unknown += [
                    f"{file}:{node.lineno}: {ast.unparse(value)}"
                    for value in node.values
                    if not is_quoted(value, names, known)
                ]
        unknown += [f"{file}: {name} is not there" for name, met in known.items() if not met]
    assert unknown == [], "\n".join(unknown)


# cron.py quotes for a shell; columns.py is below the module that has literal(); BigQuery and
# Snowflake want backslashes escaped, too.
QUOTE = {"database.py": 2, "cron.py": 1, "columns.py": 1, "services.py": 2}


def test_nobody_quotes_by_hand():
    for path in PYTHON.rglob("*.py"):
        found = re.findall(r"replace\(['\"]{1,3}\\?['\"]{1,3}, ", path.read_text())
        allowed = QUOTE.get(path.name, 0)
        assert len(found) == allowed, path.name
