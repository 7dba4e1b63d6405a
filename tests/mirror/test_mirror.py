"""A mirror equals the published copy after every kind of night, as its own libraries read it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

import pytest
from conftest import PROJECT, make_once, slow
from mirrors import (
    CLEAN,
    SETTINGS,
    Mirrored,
    arrow_rows,
    data_files,
    digests,
    live_ten_nights,
    live_the_real_pair,
    live_three_nights,
    live_two_nights,
    mirror_rows,
    mirror_until_write,
    read_published,
)

pytest.importorskip("deltalake", reason="`make test` installs it from .ci/locks/mirror.lock")
pytest.importorskip("pyiceberg", reason="`make test` installs it from .ci/locks/mirror.lock")
FORMATS = ("delta", "iceberg")
# The quick tests mirror one table of each kind; the slow ones all.
FEW = {
    "analytics_netflix_history", "fact_title_catalog", "bridge_title_cast", "dim_person",
    "cdc_netflix_changes", "dim_rating", "kpi_movies_vs_tv",
}  # fmt: skip


@pytest.fixture(scope="session")
def three_nights(tmp_path_factory) -> Path:
    return make_once(tmp_path_factory, "three_nights", live_three_nights)


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory, published_once) -> Path:
    return make_once(tmp_path_factory, "two_nights", partial(live_two_nights, published_once))


@pytest.fixture(scope="session")
def ten_nights(tmp_path_factory) -> Path:
    return make_once(tmp_path_factory, "ten_nights", live_ten_nights)


@pytest.fixture(scope="session")
def real_pair(tmp_path_factory, real_data) -> Path:
    return make_once(tmp_path_factory, "real_pair", partial(live_the_real_pair, real_data))


@pytest.fixture(params=["delta", *slow("iceberg")])
def few(request, tmp_path, monkeypatch) -> Mirrored:
    """Two nights for a quick test, three for a slow one."""
    from mirror import difference

    real = difference.list_tables
    monkeypatch.setattr(
        difference, "list_tables", lambda con: [t for t in real(con) if t.name in FEW]
    )
    nights = "three_nights" if request.node.get_closest_marker("slow") else "two_nights"
    return Mirrored(tmp_path, request.getfixturevalue(nights), request.param)


def published_few(few: Mirrored) -> dict[str, list[tuple]]:
    return {name: rows for name, rows in few.published().items() if name in FEW}


@pytest.mark.parametrize("few", ["delta", *slow("iceberg")], indirect=True)
def test_each_night_is_there_whole_and_the_ones_before_can_still_be_read(few):
    before = {}
    for night in range(len(few.nights)):
        done = few.run(night)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert digests(mirror_rows(few.root)) == digests(published_few(few))
        before[read_published(few.root)["version"]] = digests(published_few(few))
    publication = read_published(few.root)
    assert [p["version"] for p in publication["earlier"]] == list(before)[-2::-1]
    for earlier in publication["earlier"]:
        assert digests(mirror_rows(few.root, earlier)) == before[earlier["version"]]


def test_a_night_without_changes_writes_nothing_and_commits_nothing(few):
    few.run(0)
    before = few.files()
    done = few.run(0)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is there, as before" in done.stdout
    assert few.files() == before


FOLLOWING = FEW & {
    "analytics_netflix_history", "fact_title_catalog", "bridge_title_cast", "dim_person",
    "cdc_netflix_changes",
}  # fmt: skip


@pytest.mark.slow
def test_only_what_ended_or_began_is_written_and_a_mirror_that_lags_catches_up(few):
    few.run(0)
    few.run(1)
    assert digests(mirror_rows(few.root)) == digests(published_few(few))
    tables = read_published(few.root)["tables"]
    parts = {name: data_files(few.root, few.format, entry) for name, entry in tables.items()}
    assert {name for name, number in parts.items() if number > 1} == FOLLOWING
    few.run(0)
    assert digests(mirror_rows(few.root)) == digests(published_few(few)), "back to an older one"
    few.run(2)  # a late file: rows change that no newer merge touched
    assert digests(mirror_rows(few.root)) == digests(published_few(few))


def change_by_hand(mirror: Mirrored, table: str) -> None:
    """Write a table twice over, as somebody with the usual library does."""
    if mirror.url.startswith("delta"):
        from deltalake import DeltaTable, write_deltalake

        there = DeltaTable(mirror.root / table)
        write_deltalake(there, there.to_pyarrow_table(), mode="append")
    else:
        from pyiceberg.catalog.sql import SqlCatalog

        place = {"uri": f"sqlite:///{mirror.root}/catalog.db"}
        catalogue = SqlCatalog("mirror", **place)
        there = catalogue.load_table(f"netflix.{table}")
        there.append(there.scan().to_arrow())
        catalogue.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("table", ["dim_rating", *slow("dim_person")])
def test_a_table_changed_by_hand_is_noticed_and_written_whole(few, table):
    few.run(1)
    change_by_hand(few, table)
    done = few.run(1)
    assert f"{table} in the mirror was changed by somebody else" in done.stderr
    assert (done.returncode, "1 of 7 tables written, 1 of them whole" in done.stdout) == (0, True)
    assert digests(mirror_rows(few.root)) == digests(published_few(few))
    again = few.run(1)
    assert (again.stderr, "as before" in again.stdout) == ("", True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_a_table_whose_rows_were_marked_dead_can_be_changed_by_hand_and_still_be_repaired(few):
    few.run(0)
    few.run(1)
    if few.url.startswith("delta"):
        from deltalake import DeltaTable

        DeltaTable(few.root / "fact_title_catalog").delete("type = 'Movie'")
    else:
        from pyiceberg.catalog.sql import SqlCatalog

        catalogue = SqlCatalog("mirror", uri=f"sqlite:///{few.root}/catalog.db")
        catalogue.load_table("netflix.fact_title_catalog").delete("type = 'Movie'")
        catalogue.close()
    done = few.run(2)
    assert "fact_title_catalog in the mirror was changed by somebody else" in done.stderr
    assert digests(mirror_rows(few.root)) == digests(published_few(few))


def test_a_target_that_cannot_be_written_is_one_sentence_and_the_next_run_catches_up(few):
    few.pipeline.put("a file where a folder should be", "mirror")
    done = few.run(0)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mirror    stopped: the mirror at {few.url} is not up to date: ")
    assert "Traceback" not in done.stderr
    (few.root).unlink()
    assert few.run(0).returncode == 0
    assert digests(mirror_rows(few.root)) == digests(published_few(few))


@pytest.mark.slow
def test_a_table_in_many_files_is_written_whole_and_old_files_go(few, monkeypatch):
    from mirror import delta, lake

    monkeypatch.setattr(lake, "MOST_FILES", 2)
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(lake, "KEEP", 2)
    sizes = []
    for night in (0, 1, 2) * 6:
        assert few.run(night).returncode == 0
        assert digests(mirror_rows(few.root)) == digests(published_few(few))
        sizes.append(len(few.files()))
    assert len(read_published(few.root)["earlier"]) == 1
    assert max(sizes[9:]) <= max(sizes[:9])


@pytest.mark.slow
def test_columns_that_come_and_go_come_and_go_in_the_mirror(few, monkeypatch):
    """The published table with a column less, and one of another type."""
    from mirror import difference

    real = difference.list_tables

    def other(con):
        for table in real(con):
            if table.name == "dim_rating":
                name, _, comment = table.columns[0]
                kept = [column for column in table.columns[1:] if column[0] != "audience"]
                table = difference.Table(table.name, ((name, "BIGINT", comment), *kept))
            yield table

    few.run(0)
    monkeypatch.setattr(difference, "list_tables", other)
    few.run(1)
    rows = {(key, rating, *rest) for key, rating, _, *rest in published_few(few)["dim_rating"]}
    assert {tuple(row) for row in mirror_rows(few.root)["dim_rating"]} == rows
    monkeypatch.undo()
    few.run(2)
    assert digests(mirror_rows(few.root))["dim_rating"] == digests(few.published())["dim_rating"]


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
def test_ten_nights_with_all_tables_are_equal_each_morning(format_name, tmp_path, ten_nights):
    mirror = Mirrored(tmp_path, ten_nights, format_name)
    assert len(mirror.nights) == 10
    for night in range(10):
        done = mirror.run(night)
        assert (done.returncode, done.stderr) == (0, ""), night
        assert digests(mirror_rows(mirror.root)) == digests(mirror.published()), night


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
def test_the_real_pair_is_equal_and_its_second_night_writes_little(
    format_name, tmp_path, real_pair
):
    mirror = Mirrored(tmp_path, real_pair, format_name)
    written = []
    for night in range(2):
        before = mirror.files()
        done = mirror.run(night)
        assert (done.returncode, done.stderr) == (0, "")
        assert digests(mirror_rows(mirror.root)) == digests(mirror.published())
        written.append(sum(n for name, n in mirror.files().items() if name not in before))
    assert written[1] < written[0] * 0.4, "631 changed and 397 new of 6,234"


NEVER = 10**9


def run_until_write(mirror: Mirrored, night: int, number: int) -> bool:
    """Mirror a night in a process that dies before a write; whether it came to that one."""
    mirror.show(night)
    writer = CLEAN.Process(
        target=mirror_until_write, args=(mirror.pipeline, mirror.url, number, FEW)
    )
    writer.start()
    writer.join()
    assert writer.exitcode in (0, -signal.SIGKILL)
    return writer.exitcode != 0


@pytest.mark.parametrize("number", [9, pytest.param(0, marks=pytest.mark.slow)])
def test_killed_before_a_write_readers_see_one_night_and_the_next_run_completes(few, number):
    """With number 0: before each write, one after the other, on what the ones before left."""
    whole = []
    for night in (0, 1):
        few.show(night)
        whole.append(digests(published_few(few)))
    few.run(0)
    first = few.root.with_name("first")
    shutil.copytree(few.root, first)
    for place in [number] if number else range(1, 200):
        if not number:
            shutil.rmtree(few.root)
            shutil.copytree(first, few.root)
        was_killed = run_until_write(few, 1, place)
        assert digests(mirror_rows(few.root)) in whole
        done = few.run(1)
        assert (done.returncode, done.stderr) == (0, ""), place
        assert digests(mirror_rows(few.root)) == whole[1]
        if not was_killed:
            break
    else:
        assert number, "it never ends"
    assert number or place > 15


@pytest.mark.slow
def test_a_reader_who_polls_meanwhile_never_sees_two_nights(few):
    """5,000 reads, while nights come and go and every second run is killed before a write."""
    expected = {}
    for night in (0, 1):
        few.show(night)
        expected[few.nights[night].name] = digests(published_few(few))
    assert not run_until_write(few, 0, NEVER)
    dice, killed, runs = Random(few.format), 0, 0
    with subprocess.Popen(
        [sys.executable, PROJECT / "tests/support/poll_mirror.py", few.root, "5000"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as poller:
        poller.stdin.write(json.dumps(expected))
        poller.stdin.close()
        while poller.poll() is None:
            killed += run_until_write(few, 1 - runs % 2, dice.randint(1, 30))
            assert not run_until_write(few, 1 - runs % 2, NEVER)
            runs += 1
        assert (poller.returncode, poller.stdout.read()) == (0, "2\n"), poller.stderr.read()
    assert killed > 3


@pytest.mark.slow
def test_a_night_whose_mirror_cannot_be_reached_is_a_good_night_with_a_warning(
    pipeline, published_once
):
    pipeline.copy_of(published_once)
    pipeline.settings = {"NETFLIX_CSV": str(pipeline.root / "catalogue.csv"), **SETTINGS}
    done = pipeline.process("run_all", MIRROR_URL="delta:///dev/null/mirror")
    assert done.returncode == 0, done.stderr
    assert "the mirror at delta:///dev/null/mirror is not up to date: NotADirector" in done.stderr
    state = json.loads((pipeline.root / "data/alerts/state.json").read_text())
    assert (state["run"], list(state["warnings"])) == ({}, ["mirror"])
    assert "is not up to date" in state["warnings"]["mirror"]
    place = pipeline.root / "mirror"
    done = pipeline.process("run_all", MIRROR_URL=f"delta://{place}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "35 of 35 tables written" in done.stdout
    state = json.loads((pipeline.root / "data/alerts/state.json").read_text())
    assert state["warnings"] == {}


def test_without_a_url_or_a_published_version_the_message_says_what_to_do(pipeline):
    done = pipeline.step("12_mirror")
    assert (done.returncode, "MIRROR_URL is not set" in done.stderr) == (2, True)
    done = pipeline.step("12_mirror", MIRROR_URL="delta:///tmp/none")
    assert (done.returncode, "run `make run-all` first" in done.stderr) == (2, True)
    done = pipeline.step("12_mirror", MIRROR_URL="delta://s3cr3t@host/none")
    assert (done.returncode, "MIRROR_URL is ***" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_bucket_gets_the_same_tables_and_its_keys_are_in_no_file(three_nights, tmp_path):
    server_module = pytest.importorskip("moto.server")
    import boto3
    from deltalake import DeltaTable

    server = server_module.ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"aws_access_key_id": "s3cr3tkey", "aws_secret_access_key": "s3cr3tsecret"}
        client = boto3.client(
            "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys
        )
        client.create_bucket(Bucket="lake")
        mirror = Mirrored(tmp_path, three_nights, "delta")
        query = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        mirror.url = f"s3://s3cr3tkey:s3cr3tsecret@lake/night?{query}"
        for night in range(3):
            done = mirror.run(night)
            assert (done.returncode, done.stderr) == (0, ""), night
            text = client.get_object(Bucket="lake", Key="night/published.json")["Body"].read()
            options = {name.upper(): value for name, value in keys.items()}
            options |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true"}
            options |= {"AWS_REGION": "us-east-1"}
            found = {
                name: arrow_rows(
                    DeltaTable(
                        f"s3://lake/night/{name}", version=entry["version"], storage_options=options
                    ).scan()
                )
                for name, entry in json.loads(text)["tables"].items()
            }
            assert digests(found) == digests(mirror.published()), night
        assert "as before" in mirror.run(2).stdout
    finally:
        server.stop()
    settings = {"HTTP_TIMEOUT_S": "1", "HTTP_RETRIES": "0"}
    began = time.monotonic()
    done = mirror.run(1, **settings)
    assert (done.returncode, time.monotonic() - began < 60) == (1, True)
    assert "the mirror at s3://lake/night is not up to date" in done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes(), path
    assert "s3cr3t" not in done.stderr + done.stdout
