"""The whole chain, as a user runs it: on the sample, twice, and on the real file."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, CHAIN_OF, PROJECT, catalogue, title
from documents import read_documents

from config import __version__
from runner import lock
from runner.files import sha256
from warehouse.places import find_staging


@pytest.mark.slow
def test_the_sample_gives_the_planted_counts(pipeline):
    csv = pipeline.root / "data" / "raw" / "netflix_titles.csv"
    made = pipeline.step("00_make_sample_data", "--rows", "3000")
    assert made.returncode == 0, made.stderr
    truth = json.loads(csv.with_suffix(".truth.json").read_text())
    before = csv.read_bytes()

    first = pipeline.steps(*CHAIN)
    assert first.returncode == 0, first.stderr
    [manifest] = pipeline.batches()
    assert manifest["source_sha256"] == truth["sha256"]
    assert (manifest["records"], manifest["rejected"]) == (truth["rows"], 0)
    assert manifest["repaired_lines"] == truth["cp1252_lines"]["count"]
    repairs = dict(
        pipeline.query("SELECT rule || ':' || column_name, row_count FROM staging_repairs")
    )
    assert repairs["duration_moved:rating"] == truth["durations_in_rating"]
    assert repairs["cleaned:date_added"] == truth["leading_blanks"]
    assert repairs["cleaned:country"] == truth["stray_commas"]
    assert pipeline.query(
        "SELECT count(*), count(*) - count(date_added) FROM analytics_netflix_current"
    ) == [(truth["rows"], truth["missing_dates"])]
    assert csv.read_bytes() == before, "the input is never edited"


def test_a_second_run_says_unchanged_and_changes_no_file_and_no_row(pipeline):
    assert pipeline.step("00_make_sample_data", "--rows", "300").returncode == 0
    first = pipeline.steps(*CHAIN)
    assert first.returncode == 0, first.stderr
    files, tables = pipeline.digests(), pipeline.tables()

    landing = pipeline.step("02_create_raw_layer")
    assert (landing.returncode, "unchanged since" in landing.stdout) == (0, True)
    assert pipeline.steps(*CHAIN[1:]).returncode == 0
    assert pipeline.digests() == files
    assert pipeline.tables() == tables


@pytest.mark.slow
def test_the_file_is_complete_without_its_log_after_a_step_and_after_a_chain(pipeline):
    """Within a chain the steps leave theirs to the next one."""
    warehouse, log = pipeline.root / "dw.db", pipeline.root / "dw.db.wal"
    files = [pipeline.put(catalogue(*map(title, range(1, n))), f"{n}.csv") for n in (4, 5, 6)]
    assert pipeline.steps(*CHAIN, NETFLIX_CSV=files[0]).returncode == 0
    titles = []
    for step in CHAIN[:5]:
        assert pipeline.step(step, NETFLIX_CSV=files[1]).returncode == 0
        assert not log.exists(), step
        alone = shutil.copy(warehouse, pipeline.root / "alone.db")
        with duckdb.connect(alone, read_only=True) as con:
            titles += con.execute("SELECT count(*) FROM analytics_netflix_current").fetchone()
    assert titles == [3, 3, 3, 3, 4]

    scripts = [f"{step}.py" for step in CHAIN]
    first_part = pipeline.python("-c", CHAIN_OF, *scripts[:3], NETFLIX_CSV=files[2])
    assert (first_part.returncode, log.exists()) == (0, True)
    for settings in ({}, {}, {"NETFLIX_CSV": pipeline.put("no catalogue", "bad.csv")}):
        whole = pipeline.process("run_all", **{"NETFLIX_CSV": files[2]} | settings)
        assert (whole.returncode, log.exists()) == (20 if settings else 0, False), whole


def test_a_log_next_to_a_linked_file_is_published_with_it(pipeline, monkeypatch):
    """DuckDB keeps it next to the file, not to the link."""
    warehouse, disk = pipeline.root / "dw.db", pipeline.root / "disk"
    csv = pipeline.put(catalogue(*map(title, range(1, 4))))
    assert pipeline.steps(*CHAIN, "08_build_analytics", NETFLIX_CSV=csv).returncode == 0
    disk.mkdir()
    warehouse.rename(disk / "real.db")
    find_staging(warehouse).rename(find_staging(disk / "real.db"))
    warehouse.symlink_to(disk / "real.db")
    with monkeypatch.context() as chain:
        chain.setattr(lock, "inherited", True)
        assert pipeline.step("03_load_raw_to_duckdb", NETFLIX_CSV=csv).returncode == 0
    loads = "SELECT count(*) FROM ops_runs WHERE step = 'load'"
    with duckdb.connect(shutil.copy(warehouse, pipeline.root / "alone.db")) as con:
        assert con.execute(loads).fetchall() == [(1,)], "the second one is in the log"
    assert pipeline.step("09_publish", NETFLIX_CSV=csv).returncode == 0
    with duckdb.connect(str(pipeline.root / "data/published/netflix.duckdb")) as con:
        assert con.execute(loads).fetchall() == [(2,)]


def test_a_raw_view_dropped_by_hand_is_created_again(pipeline):
    assert pipeline.land(catalogue(title(1))).returncode == 0
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("DROP VIEW raw_netflix_titles")
    assert pipeline.step("03_load_raw_to_duckdb").returncode == 0
    assert pipeline.query("SELECT show_id FROM raw_netflix_titles") == [("s1",)]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32, 33, 100])
def test_a_digest_covers_all_blocks_of_a_file(tmp_path, size):
    content = bytes(range(size))
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file", block_bytes=16) == hashlib.sha256(content).hexdigest()


def test_another_file_of_the_same_size_is_another_snapshot(pipeline):
    files = [catalogue(title(1, director=name)) for name in ("Ann", "Bob", "Bob")]
    assert len(set(map(len, files))) == 1
    said = [pipeline.raw(file).stdout for file in files]
    assert ["unchanged since" in text for text in said] == [False, False, True]
    assert [pipeline.snapshot(batch, "director") for batch in pipeline.batches()] == [
        [("Ann",)],
        [("Bob",)],
    ]


@pytest.mark.slow
def test_the_next_day_changes_exactly_what_the_truth_says(pipeline):
    assert pipeline.step("00_make_sample_data", "--rows", "2000").returncode == 0
    assert pipeline.steps(*CHAIN).returncode == 0
    assert pipeline.step("00_make_sample_data", "--rows", "2000", "--day", "2").returncode == 0
    assert pipeline.steps(*CHAIN).returncode == 0
    truth = json.loads((pipeline.root / "data/raw/netflix_titles.truth.json").read_text())
    changes = truth["changes"]
    assert pipeline.query(
        "SELECT inserted, updated, deleted FROM ops_merges ORDER BY snapshot_at DESC LIMIT 1"
    ) == [tuple(changes[name]["count"] for name in ("inserted", "updated", "deleted"))]


@pytest.mark.slow
def test_the_real_file_gives_the_known_numbers(pipeline, real_data):
    source = str(real_data / "netflix_titles.csv")
    result = pipeline.steps(*CHAIN, NETFLIX_CSV=source, DUCKDB_THREADS="")
    assert result.returncode == 0, result.stderr
    [manifest] = pipeline.batches()
    assert {
        name: manifest[name] for name in ("records", "rejected", "raw_rows", "repaired_lines")
    } == {"records": 8809, "rejected": 0, "raw_rows": 8809, "repaired_lines": 1}
    assert len(manifest["columns"]) == 26

    def one(sql: str):
        return pipeline.query(sql)[0][0]

    staging = "FROM staging_netflix_titles"
    assert one(f"SELECT count(*) {staging}") == 8809
    assert one(f"SELECT count(*) - count(date_added) {staging}") == 10
    assert dict(
        pipeline.query("SELECT rule || ':' || column_name, row_count FROM staging_repairs")
    ) == {
        "cleaned:cast": 9,
        "cleaned:country": 7,
        "cleaned:date_added": 88,
        "cleaned:description": 16,
        "cleaned:title": 14,
        "duration_moved:rating": 3,
    }
    cast = one(f"SELECT \"cast\" {staging} WHERE show_id = 's8809'")
    assert "Bodil Jørgensen" in cast
    garbled = " OR ".join(
        f"regexp_matches(\"{column}\", '[\\x{{C2}}-\\x{{F4}}][\\x{{80}}-\\x{{BF}}]')"
        for column in ("title", "director", "cast", "country", "description")
    )
    assert one(f"SELECT count(*) {staging} WHERE {garbled}") == 0
    countries = f"SELECT unnest(string_split(country, ', ')) AS country {staging}"
    assert one(f"SELECT count(*) FROM ({countries}) WHERE trim(country) = ''") == 0
    assert one(f"SELECT count(DISTINCT country) FROM ({countries})") == 122
    assert one(f"SELECT count(*) FROM ({countries}) WHERE country = 'United States'") == 3691
    assert one("SELECT max(source_line) FROM raw_netflix_titles") == 8812

    files, tables = pipeline.digests(), pipeline.tables()
    assert pipeline.steps(*CHAIN, NETFLIX_CSV=source).returncode == 0
    assert (pipeline.digests(), pipeline.tables()) == (files, tables)


@pytest.mark.slow
def test_sample_and_real_files_never_share_a_history(pipeline):
    assert pipeline.step("00_make_sample_data", "--rows", "50").returncode == 0
    assert pipeline.steps(*CHAIN).returncode == 0
    before = pipeline.digests(), pipeline.tables()
    real = b"show_id,type,title,release_year\ns1,Movie,A,2020\n"
    refused = pipeline.land(real)
    assert (refused.returncode, "make clean-sample" in refused.stderr) == (20, True)
    assert (pipeline.digests(), pipeline.tables()) == before

    assert pipeline.step("00_make_sample_data", "--remove").returncode == 0
    assert [path for path in pipeline.root.rglob("*") if path.suffix in (".parquet", ".csv")] == [
        pipeline.root / "catalogue.csv"
    ]
    assert pipeline.land(real).returncode == 0
    assert pipeline.step("06_merge_cdc").returncode == 0
    kept = pipeline.digests()
    assert pipeline.step("00_make_sample_data", "--remove").returncode == 2
    assert pipeline.digests() == kept


@pytest.mark.slow
def test_a_warehouse_with_the_old_names_is_staged_and_built_once_more(pipeline):
    night = ("05_run_staging_sql", "08_build_analytics")
    assert pipeline.land(catalogue(title(1))).returncode == 0
    assert pipeline.steps("06_merge_cdc", *night).returncode == 0
    expected = pipeline.tables()
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("ALTER TABLE staging_counts RENAME TO staging_books")
        con.execute("ALTER TABLE analytics_build RENAME TO analytics_books")
        con.execute("ALTER TABLE ops_runs DROP COLUMN version")
    said = [pipeline.step(name).stdout for name in night]
    again = [pipeline.step(name).stdout for name in night]
    assert ["as before" in text for text in (*said, *again)] == [False, False, True, True]
    tables = pipeline.tables()
    assert tables.keys() == expected.keys()
    assert tables["fact_title_catalog"] == expected["fact_title_catalog"]
    versions = pipeline.query("SELECT version FROM ops_runs ORDER BY started_at")
    assert versions == [(None,)] * 7 + [(__version__,)] * 4


BY_HAND = (
    "01_inspect_data", "02_create_raw_layer", "03_load_raw_to_duckdb", "05_run_staging_sql",
    "07_monitor_pipeline",
)  # fmt: skip


@pytest.mark.slow
def test_five_scripts_by_hand_look_load_clean_and_audit_without_a_merge(pipeline):
    """As `python python/01_inspect_data.py` and so on: no make, no PYTHONPATH, no 04 and 06."""
    source = pipeline.put(catalogue(*map(title, range(1, 41))))
    for ends in ("+ 0 exact duplicates", "+ 0 exact duplicates, as before"):
        said = {}
        for name in BY_HAND:
            done = pipeline.process(name, NETFLIX_CSV=source, PYTHONPATH="")
            assert (done.returncode, done.stderr) == (0, ""), name
            said[name] = done.stdout.rstrip()
        assert said["05_run_staging_sql"].endswith(f"40 raw = 40 staged + 0 quarantined {ends}")
        assert said["07_monitor_pipeline"].endswith("0 failed, 17 left out: nothing is merged yet")
    assert pipeline.query("SELECT count(*) FROM staging_netflix_titles") == [(40,)]
    assert pipeline.steps(*CHAIN, NETFLIX_CSV=source).returncode == 0, "the chain goes on from it"
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(40,)]


@pytest.mark.slow
def test_a_fresh_clone_starts_with_venv_and_pip_alone(pipeline):
    clone, source = pipeline.root / "clone", pipeline.put(catalogue(*map(title, range(1, 41))))
    if not (PROJECT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout")
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
    lines = [
        "set -eu",
        f"'{sys.executable}' -m venv venv",
        "source venv/bin/activate",
        "pip install -q -r requirements.txt",
        *(f"python python/{name}.py" for name in BY_HAND),
        "git status --porcelain",
    ]
    shown = "\n".join(["python3 -m venv venv", *lines[2:-1]]).replace("install -q", "install")
    assert f"```sh\n{shown}\n```" in read_documents("README.md")
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=clone,
        env={**environment, **pipeline.settings, "NETFLIX_CSV": source},
        capture_output=True,
        text=True,
    )
    if re.search("Failed to establish a new connection|name resolution", done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("monitor ")  # and nothing that git would add


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project in a path with blanks, using the virtual environment of this run."""
    if not (Path(sys.prefix) / "have-.ci-locks-requirements.lock").exists():
        pytest.skip("this Python is not from a virtual environment that `make setup` made")
    target = tmp_path / "a path with 'blanks'"
    target.mkdir()
    for name in ("Makefile", ".ci"):
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    for name in ("python", "sql"):
        (target / name).symlink_to(PROJECT / name)
    return target


def make(
    checkout: Path, *arguments: str, cwd: Path, **settings: str
) -> subprocess.CompletedProcess:
    """Run make as cron would: an empty environment and another working directory."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    environment |= {"PYTHON_DOTENV_DISABLED": "1", **settings}
    return subprocess.run(
        ["make", f"VENV={sys.prefix}", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_make_runs_from_anywhere_with_an_empty_environment(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths = {
        "DATA_DIR": str(tmp_path / "my data"),
        "WAREHOUSE_PATH": str(tmp_path / "my dw.db"),
        "LOG_DIR": str(tmp_path / "my logs"),
    }
    done = make(checkout, "-f", f"{checkout}/Makefile", "run-all", cwd=elsewhere, **paths)
    assert done.returncode == 0, done.stderr
    assert "sample data" in done.stdout + done.stderr
    again = make(checkout, "-C", str(checkout), "run-all", cwd=elsewhere, **paths)
    assert (again.returncode, "unchanged since" in again.stdout) == (0, True)
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in checkout.iterdir()} == {
        "Makefile", ".ci", "python", "sql",
    }  # fmt: skip


def test_make_names_the_exit_code_of_the_step_that_failed(checkout, tmp_path):
    done = make(checkout, "-C", str(checkout), "load", cwd=tmp_path, DUCKDB_THREADS="many")
    assert "Error 2" in done.stderr
    done = make(
        checkout,
        "-C",
        str(checkout),
        "raw",
        cwd=tmp_path,
        NETFLIX_CSV="/nowhere.csv",
        DATA_DIR=str(tmp_path / "d"),
        LOG_DIR=str(tmp_path / "l"),
        WAREHOUSE_PATH=str(tmp_path / "w.db"),
    )
    assert "Error 20" in done.stderr
    assert "no input file at /nowhere.csv" in done.stderr and "Nothing was changed" in done.stderr


LITERAL = """`touch ran` $(shell touch ran) $(touch ran) $PATH $$ "x" 'y' it's a\\b #1 -x = é"""
SAY = """#!{}
import json, os, sys
print(json.dumps([sys.argv, dict(os.environ)]))
"""


@pytest.mark.parametrize("by", ["command line", "environment"])
def test_make_passes_on_unchanged_what_it_was_given(checkout, tmp_path, by):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text(SAY.format(sys.executable))  # instead of the script
    (venv / "bin/python").chmod(0o755)
    lock = PROJECT / ".ci/locks/requirements.lock"
    shutil.copy(lock, venv / "have-.ci-locks-requirements.lock")
    given = dict.fromkeys(("KEY", "TO", "ROWS", "DAY", "SEED", "NETFLIX_CSV"), LITERAL)
    by_hand = [f"{name}={text}" for name, text in given.items()] if by == "command line" else []
    for target, count in (("why", 1), ("migrate", 1), ("sample", 3)):
        options = ["-C", str(checkout), target, f"VENV={venv}", *by_hand]
        done = make(checkout, *options, cwd=tmp_path, **({} if by_hand else given))
        assert done.returncode == 0, done.stderr
        arguments, environment = json.loads(done.stdout.splitlines()[1])
        assert sum(text.endswith(LITERAL) for text in arguments) == count
        assert environment["NETFLIX_CSV"] == LITERAL
    assert not list(tmp_path.rglob("ran"))


def test_make_alone_prints_every_target(checkout, tmp_path):
    done = make(checkout, "-C", str(checkout), cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"make {target} " in done.stdout for target in ("run-all", "test", "why", "plan"))


@pytest.mark.slow
def test_the_night_imports_no_package_that_it_can_do_without(pipeline):
    """pandas is installed here, and DuckDB imports it at the first bound value if it may."""
    source = pipeline.put(catalogue(title(1)))
    done = pipeline.process("run_all", NETFLIX_CSV=source, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert {"runner.step", "duckdb", "hashlib"} <= imported
    heavy = {"pandas", "numpy", "pyarrow", "apprise"}
    # An import that was refused is listed, too: only what came in has parts.
    assert not [name for name in imported if "." in name and name.split(".")[0] in heavy]
