"""Data folder and warehouse belong together: what is missing, foreign or damaged ends with 40."""

import hashlib
import json
import os
import re
import shutil
from datetime import timedelta

import duckdb
import pytest
from conftest import CHAIN, RECORDS, Pipeline, catalogue, slow, title

from config import load_settings
from ingest import records
from ingest.records import SEAL_BYTES, compute_seal

RAW, MERGE, REBUILD = "02_create_raw_layer", "06_merge_cdc", "10_rebuild_warehouse"
LEFT_OUT = f"{RECORDS} ops_metrics ops_schema_changes"
TITLES = [title(number) for number in range(1, 61)]
NIGHTS = {1: TITLES, 2: TITLES[:20], 3: [{**TITLES[0], "rating": "R"}, *TITLES[1:]]}


def night(pipeline: Pipeline, day: int, records: list[dict] | None = None, **settings: str):
    """Land the records as the snapshot of that day, and merge."""
    source = pipeline.put(catalogue(*(records or NIGHTS[day])))
    return pipeline.steps(
        *CHAIN[:5], NETFLIX_CSV=source, SNAPSHOT_AT=f"2020-01-{day:02}", **settings
    )


def history(pipeline: Pipeline) -> dict[str, list[tuple]]:
    """All tables that follow from snapshots, decisions and contract; with the views' content."""
    tables = pipeline.tables(leave_out=LEFT_OUT)
    return {
        name: rows for name, rows in tables.items() if name.startswith(("analytics", "cdc", "ops"))
    }


@pytest.fixture(scope="module")
def three_nights(tmp_path_factory) -> Pipeline:
    """The second night was refused, then let pass by a limit."""
    pipeline = Pipeline(tmp_path_factory.mktemp("three"))
    assert night(pipeline, 1).returncode == 0
    assert night(pipeline, 2).returncode == 20
    assert pipeline.step(MERGE, MAX_DELETED_PCT="100").returncode == 0
    assert night(pipeline, 3).returncode == 0
    return pipeline


@pytest.fixture
def folder(pipeline, three_nights) -> Pipeline:
    return pipeline.copy_of(three_nights)


def stopped(pipeline: Pipeline, *names: str, step: str = RAW, **settings: str) -> str:
    """Require exit code 40, all of these names and no change; return the code that accepts it."""
    source = pipeline.put(catalogue(*TITLES))
    files = pipeline.digests()
    tables = pipeline.tables() if (pipeline.root / "dw.db").exists() else {}
    found = pipeline.step(step, NETFLIX_CSV=source, **settings)
    assert (found.returncode, found.stdout) == (40, ""), found.stderr
    assert all(name in found.stderr for name in names), found.stderr
    assert pipeline.digests() == files
    assert not tables or pipeline.tables() == tables
    return re.search(r"ACCEPT=(\w{12})", found.stderr)[1]


def test_a_lost_record_stops_every_run_and_no_snapshot_is_removed(folder):
    records = sorted((folder.root / "data/raw/snapshots").glob("*.json"))
    kept = [path.rename(path.with_suffix(".away")) for path in records[:2]]
    stopped(folder, f"{records[1].name}", step="03_load_raw_to_duckdb")
    stopped(folder, f"{records[1].name}")
    for path, away in zip(records, kept, strict=False):
        away.rename(path)
    assert folder.step(MERGE).returncode == 0


@pytest.mark.slow
def test_another_data_folder_stops_the_run_until_one_command_accepts_it(folder):
    before = folder.query("SELECT count(*) FROM ops_merges")
    other = {"DATA_DIR": str(folder.root / "other")}
    source = folder.put(catalogue(*TITLES[:50]))
    found = folder.step(RAW, NETFLIX_CSV=source, **other)
    assert found.returncode == 40, found.stderr
    assert folder.query("SELECT count(*) FROM ops_merges") == before
    code = re.search(r"ACCEPT=(\w{12})", found.stderr)[1]
    done = folder.steps(*CHAIN[:5], NETFLIX_CSV=source, ACCEPT=code, **other)
    assert done.returncode == 0, done.stderr
    assert folder.query("SELECT count(*) FROM ops_merges") == [(1,)]
    assert folder.steps(*CHAIN[:5], NETFLIX_CSV=source, **other).returncode == 0, "it stays let in"
    assert folder.step(MERGE).returncode == 40, "the first folder is the foreign one now"


@pytest.mark.parametrize("damage", slow("missing", "damaged"))
def test_a_lost_or_cut_old_snapshot_stops_the_next_run(folder, damage):
    batch = folder.batches()[0]
    path = folder.root / "data/raw/snapshots" / batch["parquet"]
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-1])
    code = stopped(folder, f"{batch['parquet']} is {damage}")
    source = folder.put(catalogue(*NIGHTS[3]))
    done = folder.steps(*CHAIN[:5], NETFLIX_CSV=source, ACCEPT=code)
    assert done.returncode == 0, done.stderr
    assert folder.query("SELECT day(snapshot_at) FROM ops_merges ORDER BY 1") == [(2,), (3,)]
    assert folder.step(MERGE).returncode == 0


def test_the_warehouse_knows_the_last_decisions(folder):
    last = sorted((folder.root / "data/decisions").iterdir())[-1]
    assert folder.step("03_load_raw_to_duckdb").returncode == 0  # now it knows it
    last.unlink()
    stopped(folder, last.name)


def test_two_records_that_were_swapped_are_damaged(folder):
    first, *_, last = sorted((folder.root / "data/decisions").iterdir())
    one, other = first.read_bytes(), last.read_bytes()
    first.write_bytes(other)
    last.write_bytes(one)
    stopped(folder, f"{first.name} is damaged", f"{last.name} is damaged")


def test_an_edited_and_resealed_record_breaks_the_chain(folder):
    first = min((folder.root / "data/decisions").iterdir())
    body = first.read_bytes()[:-SEAL_BYTES].replace(b'"passed"', b'"withdrawn"')
    first.write_bytes(body + compute_seal(body))
    stopped(folder, "is of another folder")


def test_without_a_warehouse_the_published_copy_knows_the_last_record(folder):
    published = folder.root / "data/published"
    published.mkdir()
    shutil.copyfile(folder.root / "dw.db", published / "netflix.duckdb")
    (folder.root / "dw.db").unlink()
    last = sorted((folder.root / "data/decisions").iterdir())[-1]
    last.unlink()
    stopped(folder, last.name)


@pytest.mark.slow
def test_a_night_rebuilds_a_missing_warehouse_and_says_so_once(folder):
    before, warning = history(folder), "warning: the warehouse was not there; history rebuilt from"
    with duckdb.connect(str(folder.root / "dw.db")) as con:  # as where its first merge was killed
        con.execute("DELETE FROM ops_merges; DELETE FROM analytics_netflix_history")
    done = folder.step(MERGE)
    assert (done.returncode, done.stderr, history(folder)) == (0, "", before)
    (folder.root / "dw.db").unlink()
    done = folder.steps(RAW, *CHAIN[1:5], NETFLIX_CSV=folder.put(catalogue(*NIGHTS[3])))
    assert done.returncode == 0, done.stderr
    assert f"merge     {warning} 3 snapshots\n" in done.stderr
    assert history(folder) == before
    (folder.root / "dw.db").unlink()
    assert f"{warning} 3 snapshots\n" in folder.step(MERGE).stderr, "any step may come first"
    assert folder.step(MERGE).stderr == ""


@pytest.mark.slow
def test_the_warehouse_is_rebuilt_as_it_was_whatever_the_limits_are(folder):
    before = history(folder)
    (folder.root / "dw.db").unlink()
    assert folder.step(REBUILD, MAX_DELETED_ROWS="0", MAX_UPDATED_ROWS="0").returncode == 0
    assert history(folder) == before
    (folder.root / "dw.db").unlink()
    done = folder.steps(*CHAIN[1:5])  # a plain night does it, too
    assert done.returncode == 0, done.stderr
    assert history(folder) == before


@pytest.mark.slow
def test_a_late_order_is_rebuilt_as_it_was(pipeline):
    """The half came first, a limit let the whole pass before it; a rebuild has no such limit."""
    for day, settings in ((2, {}), (3, {}), (1, {"MAX_DELETED_PCT": "100"})):
        assert night(pipeline, day, **settings).returncode == 0, day
    before = history(pipeline)
    (pipeline.root / "dw.db").unlink()
    assert pipeline.step(REBUILD).returncode == 0
    assert history(pipeline) == before


def test_a_record_is_written_once(folder):
    names = {path.name: path.read_bytes() for path in (folder.root / "data").rglob("*.json")}
    assert night(folder, 4, TITLES).returncode == 0
    for name, content in names.items():
        [path] = (folder.root / "data").rglob(name)
        assert path.read_bytes() == content


def test_a_chain_reads_the_records_again_only_if_a_folder_changed(folder, monkeypatch):
    monkeypatch.setattr(records, "read_before", None)
    settings = load_settings(folder.environment)
    folders = (settings.snapshots, settings.decisions)
    for path in folders:
        os.utime(path)
    state = records.read_ahead(settings)
    assert records.read_state(settings) is not state, "they were changed just now"
    for path in folders:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    state = records.read_ahead(settings)
    assert records.read_state(settings) is state
    first = min(path for path in settings.decisions.iterdir())
    first.unlink()
    assert records.read_state(settings).problems == [f"{first.name} is missing"]


def test_a_snapshot_without_a_record_is_set_aside(folder):
    leftover = folder.root / "data/raw/snapshots/20200105T000000Z-0123456789ab.parquet"
    leftover.write_bytes(b"of a run that died")
    assert folder.raw(catalogue(*TITLES)).returncode == 0
    assert not leftover.exists()
    assert (folder.root / "data/raw/aside" / leftover.name).read_bytes() == b"of a run that died"


# --- time, baselines, rot ------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["2062-01-18", "9999-12-31T23:59:59"])
def test_a_snapshot_time_more_than_a_day_ahead_is_refused(folder, at):
    before = folder.digests()
    found = folder.raw(catalogue(*TITLES[:50]), SNAPSHOT_AT=at)
    assert (found.returncode, "at most a day ahead" in found.stderr) == (2, True), found.stderr
    assert {p: d for p, d in folder.digests().items() if p in before} == before
    assert len(folder.batches()) == 3


def test_a_snapshot_of_the_end_of_time_is_named_and_can_be_withdrawn(folder, monkeypatch):
    """An older version let it in."""
    monkeypatch.setattr("ingest.snapshot.timedelta", lambda **_: timedelta.max)
    assert folder.raw(catalogue(*TITLES[:50]), SNAPSHOT_AT="9999-12-31T23:59:59").returncode == 0
    monkeypatch.undo()
    found = folder.raw(catalogue(*TITLES[:49]))
    last = folder.batches()[-1]["batch_id"]
    assert found.returncode == 20, found.stderr
    assert f"make withdraw BATCH={last}" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.slow
def test_a_refused_snapshot_is_no_baseline(pipeline):
    unreadable = [
        {k: v for k, v in row.items() if k != "cast"} | {"date_added": "some day"} for row in TITLES
    ]
    assert night(pipeline, 1).returncode == 0
    assert night(pipeline, 2, unreadable).returncode == 20
    third = night(pipeline, 3)
    assert (third.returncode, "cast" in third.stdout + third.stderr) == (0, False), third
    assert pipeline.query("SELECT column_name FROM ops_schema_changes WHERE kind = 'added'") == []


def test_each_night_verifies_the_files_that_were_verified_longest_ago(folder, monkeypatch):
    monkeypatch.setattr("ingest.manifest.PROVEN_BYTES", 1)  # one file
    proven = "SELECT file_name FROM ops_proven_files ORDER BY proven_at"
    for _ in range(4):
        assert folder.step("03_load_raw_to_duckdb").returncode == 0
    names = [name for (name,) in folder.query(proven)]
    assert set(names[-3:]) == {batch["parquet"] for batch in folder.batches()}
    newest = folder.batches()[-1]["parquet"]  # it is proven each night
    path = folder.root / "data/raw/snapshots" / next(name for name in names if name != newest)
    good = path.read_bytes()
    path.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
    found = [folder.step("03_load_raw_to_duckdb") for _ in range(3)]
    assert 40 in [done.returncode for done in found], "it is found within three nights"
    assert folder.step(REBUILD, "--verify").returncode == 40


# --- folders of an older version ------------------------------------------------------------------


def make_older(pipeline: Pipeline) -> None:
    """Turn the records into the lists that versions before 1.0.0 kept."""
    data, seal, lines = pipeline.root / "data", "", []
    new = {"number", "file", "previous_file", "previous_seal", "seal"}
    for batch in pipeline.batches():
        line = {k: v for k, v in batch.items() if k not in new and not k.endswith("t_bytes")}
        line.pop("rejects_bytes")
        seal = hashlib.sha256((seal + json.dumps(line, sort_keys=True)).encode()).hexdigest()
        lines.append(json.dumps(line | {"seal": seal}))
    (data / "raw/manifest.jsonl").write_text("\n".join(lines) + "\n")
    refused = [e for e in pipeline.records("decisions") if e["verdict"] == "refused"]
    names = ("batch_id", "verdict", "cdc_key", "decided_at", "reason")
    kept = [json.dumps({name: entry[name] for name in names}) for entry in refused]
    kept += [kept[0].replace("refused", "passed")]
    (data / "decisions.jsonl").write_text("\n".join(kept) + "\n")
    shutil.rmtree(data / "decisions")
    for path in (data / "raw/snapshots").glob("*.json"):
        path.unlink()
    with duckdb.connect(str(pipeline.root / "dw.db")) as con:
        con.execute("DROP TABLE ops_state")
        con.execute("ALTER TABLE ops_merges DROP COLUMN contract")


@pytest.fixture
def older(folder) -> Pipeline:
    make_older(folder)
    return folder


@pytest.mark.slow
def test_a_folder_of_an_older_version_is_taken_over(older, three_nights):
    done = night(older, 4, TITLES)
    assert done.returncode == 0, done.stderr
    assert older.query("SELECT day(snapshot_at) FROM ops_merges ORDER BY 1") == [
        (1,),
        (2,),
        (3,),
        (4,),
    ]
    before = history(older)
    (older.root / "dw.db").unlink()
    assert older.step(REBUILD, MAX_DELETED_ROWS="0").returncode == 0
    assert history(older) == before
    assert older.step(RAW, NETFLIX_CSV=older.put(catalogue(*TITLES))).returncode == 0


def test_an_older_version_stops_in_a_new_folder(folder):
    """It reads manifest.jsonl line by line, each an object in JSON with a seal."""
    first = (folder.root / "data/raw/manifest.jsonl").read_text().splitlines()[0]
    with pytest.raises(json.JSONDecodeError):
        json.loads(first)


def test_an_interrupted_takeover_continues(older):
    assert older.step("03_load_raw_to_duckdb").returncode == 0
    whole = {p: d for p, d in older.digests().items() if p.endswith(".json")}
    records = sorted(
        (older.root / "data").rglob("*.json"), key=lambda p: json.loads(p.read_text())["number"]
    )
    for keep in range(len(records)):
        for path in records[keep:]:
            path.unlink()
        for name in ("raw/manifest.jsonl", "decisions.jsonl"):
            path = older.root / "data" / name
            if (aside := path.with_name(f"{path.name}.taken-over")).exists():
                shutil.copyfile(aside, path)
        with duckdb.connect(str(older.root / "dw.db")) as con:
            con.execute("DELETE FROM ops_state")
        assert older.step("03_load_raw_to_duckdb").returncode == 0
        assert {p: d for p, d in older.digests().items() if p.endswith(".json")} == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raw/manifest.jsonl", "decisions.jsonl"])
@pytest.mark.parametrize("line", [b"[]", b"null", b"\xff", b'{"batch_id": "x"'])
def test_a_damaged_list_of_an_older_version_stops_the_takeover(older, name, line):
    path = older.root / "data" / name
    good = path.read_bytes()
    path.write_bytes(line + b"\n" + good)
    found = older.step("03_load_raw_to_duckdb")
    assert (found.returncode, f"{path} line 1 is damaged" in found.stderr) == (40, True), (
        found.stderr
    )
    path.write_bytes(good)
    assert older.step("03_load_raw_to_duckdb").returncode == 0


def test_an_edited_line_of_an_older_version_stops_the_takeover(older):
    path = older.root / "data/raw/manifest.jsonl"
    path.write_text(path.read_text().replace('"raw_rows": 60', '"raw_rows": 61', 1))
    found = older.step("03_load_raw_to_duckdb")
    assert (found.returncode, "its seal does not fit" in found.stderr) == (40, True), found.stderr


def test_a_damaged_snapshot_is_not_taken_over_unnoticed(older):
    batch = json.loads((older.root / "data/raw/manifest.jsonl").read_text().splitlines()[0])
    path = older.root / "data/raw/snapshots" / batch["parquet"]
    good = path.read_bytes()
    path.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
    for _ in range(2):
        found = older.step("03_load_raw_to_duckdb")
        assert (found.returncode, f"{batch['parquet']} is damaged" in found.stderr) == (40, True)
    path.write_bytes(good)
    assert older.step("03_load_raw_to_duckdb").returncode == 0
