"""One bit flipped in a file that the pipeline keeps: found before use, or it changed nothing."""

import random
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, Pipeline, catalogue, title
from conftest import RECORDS as NOTES

AREA = "bit rot"
ALL = (*CHAIN, "08_build_analytics", "09_publish")
REPLAYS = [("10_rebuild_warehouse",), ("10_rebuild_warehouse", "--verify")]
OLD = {"NEWEST_TITLE_DAYS": "36500", "FRESHNESS_DAYS": "36500"}
KINDS = {  # who reads a snapshot, and who its rejects
    "parquet": [("03_load_raw_to_duckdb",), *REPLAYS],
    "rejects": REPLAYS,
}
TIMES = f"{NOTES} ops_metrics ops_schema_changes"
RECORDS = ("raw/snapshots", "decisions")
READ_THE_RECORDS = ("02_create_raw_layer", "03_load_raw_to_duckdb", "10_rebuild_warehouse")


def flipped(content: bytes, bit: int) -> bytes:
    at = bit // 8
    return content[:at] + bytes([content[at] ^ (1 << bit % 8)]) + content[at + 1 :]


def bits(content: bytes, count: int) -> list[int]:
    """So many bits of a file, spread at random, with the first and the last among them."""
    last = 8 * len(content) - 1
    return [0, last, *random.Random(4).sample(range(1, last), count - 2)]


def sees(text: str) -> str:
    """The first line that a step printed, without what differs from run to run."""
    line = re.sub(r"(/[^\s:(),]+)+/", "", text.strip().split("\n")[0])
    line = re.sub(r"\d{8}T\d{6}Z-\w+", "<batch>", line)
    line = re.sub(r"\b([0-9a-f]{12}|[0-9a-f]{8})\b", "<digest>", line)
    return " ".join(re.sub(r"\b\d{3,}\b", "<n>", line).split())


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Two nights of 02 to 07, and a rejected record in each; for tests to copy."""
    pipeline = Pipeline(tmp_path_factory.mktemp("kept"), dict(OLD))
    for day in (1, 2):
        text = catalogue(*(title(n, title=f"Tïtle {n}") for n in range(1, 40 + day)))
        pipeline.settings["NETFLIX_CSV"] = pipeline.put(f"{text}odd,one\r\n" + text[-90:])
        done = pipeline.all_steps(SNAPSHOT_AT=f"2026-01-0{day}", MAX_QUARANTINED_ROWS="100")
        assert done.returncode == 0, done.stderr
    return pipeline


@pytest.fixture
def pipeline(tmp_path: Path, kept: Pipeline) -> Pipeline:
    copy = Pipeline(tmp_path, kept.settings | {"NETFLIX_CSV": str(tmp_path / "catalogue.csv")})
    return copy.copy_of(kept)


def content(pipeline: Pipeline) -> dict[str, tuple]:
    """Table -> rows and a hash of all of them; but for records of runs, and the paths in views.

    Of staging what is staged: which night staged a record first depends on what came before.
    """
    with duckdb.connect(str(pipeline.root / "dw.db"), read_only=True) as con:
        names = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        names = [*names, ("staging_netflix_titles",)]
        return {
            name: con.execute(
                f'SELECT count(*), sum(CAST(hash(t) AS HUGEINT)) FROM "{name}" AS t'
            ).fetchone()
            for (name,) in names
            if name not in {"staging_files", "publishable_file", *TIMES.split()}
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count", "every"),
    [("parquet", 200, 5), ("rejects", 200, 5)],
)
def test_a_flipped_bit_in_a_snapshot_is_found_before_use(pipeline, report, kind, count, every):
    """`every`: a rebuild and a verify take long, so that they see every fifth only."""
    batch = pipeline.batches()[-1]
    path = pipeline.root / "data/raw/snapshots" / batch[kind]
    good, before, said = path.read_bytes(), content(pipeline), ""
    tried = Counter()
    for number, bit in enumerate(bits(good, count)):
        path.write_bytes(flipped(good, bit))
        for name, *arguments in KINDS[kind]:
            if name.startswith("10") and number % every:
                continue
            tried[(name[:2], *arguments)] += 1
            found = pipeline.step(name, *arguments)
            assert (found.returncode, found.stdout) == (40, ""), (bit, name, found)
            assert f"{batch[kind]} is damaged" in found.stderr
            said = found.stderr
    assert content(pipeline) == before
    path.write_bytes(good)
    assert pipeline.all_steps().returncode == 0
    assert pipeline.step("10_rebuild_warehouse", "--verify").returncode == 0
    assert content(pipeline) == before
    for where, times in tried.items():
        report(AREA, f"a bit in a snapshot ({kind})", " ".join(where), sees(said), 40,
               "old state, detected before use", times)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count", "every"), [(kind, 200, 5) for kind in RECORDS])
def test_a_flipped_bit_in_a_record_is_found_before_use(pipeline, report, kind, count, every):
    """`every`: step 03 sees them all, the others, which read it alike, every fifth."""
    path = sorted((pipeline.root / "data" / kind).glob("*.json"))[-1]
    good, before = path.read_bytes(), content(pipeline)
    snapshots = pipeline.digests("data/raw/snapshots")
    tried, said = Counter(), {}
    for number, bit in enumerate(bits(good, count)):
        path.write_bytes(flipped(good, bit))
        for name in READ_THE_RECORDS:
            if not name.startswith("03") and number % every:
                continue
            found = pipeline.step(name)
            assert (found.returncode, found.stdout) == (40, ""), (bit, name, found)
            assert f"{kind}/{path.name} is damaged" in found.stderr, (bit, found)
            tried[name[:2]] += 1
            said[name[:2]] = found.stderr
    path.write_bytes(good)
    assert (content(pipeline), pipeline.digests("data/raw/snapshots")) == (before, snapshots)
    assert pipeline.all_steps().returncode == 0
    assert content(pipeline) == before
    for where, times in tried.items():
        report(AREA, f"a bit in a record of {kind}", where, sees(said[where]), 40,
               "old state, detected before use", times)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "view",
    ["staging_parts", "staging_lines", "staging_netflix_quarantine", "staging_lost_in_cast"],
)
def test_a_flipped_bit_in_a_file_of_staging_is_found(pipeline, report, view):
    """The audit finds each; a night, which finds them alike, builds every eighth again."""
    before, tried, count = content(pipeline), Counter(), 40
    assert pipeline.all_steps().returncode == 0
    for number in range(count):
        query = f"SELECT max(file_name) FROM staging_files WHERE file_name LIKE '%.{view}.%'"
        path = pipeline.root / "dw.db.staging" / pipeline.query(query)[0][0]
        good = path.read_bytes()
        path.write_bytes(flipped(good, bits(good, count)[number]))
        audit = pipeline.step("07_monitor_pipeline")
        assert (audit.returncode, f"{path.name} is damaged" in audit.stderr) == (2, True), audit
        tried["07"] += 1
        if number % 8:
            path.write_bytes(good)
            continue
        done = pipeline.step("05_run_staging_sql")
        assert (done.returncode, "every record is staged again" in done.stdout) == (0, True), done
        assert pipeline.all_steps().returncode == 0
        assert content(pipeline) == before, number
        tried["05"] += 1
    report(AREA, f"a bit in a file of {view}", "07", sees(audit.stderr), 2,
           "old state, detected before use", tried["07"])  # fmt: skip
    report(AREA, f"a bit in a file of {view}", "05", sees(done.stdout), 0,
           "built again, old state", tried["05"])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_flipped_bit_in_the_warehouse_is_an_error_or_harmless(pipeline, report, part):
    path, count = pipeline.root / "dw.db", 50
    good, before = path.read_bytes(), content(pipeline)
    outcomes, said, rebuilt = Counter(), {}, 0
    last = 8 * len(good) - 1
    head = random.Random(part).sample(range(8 * 3 * 4096), 5)  # the three headers
    tried = [*head, *random.Random(part).sample(range(last), count - len(head))]
    for number, bit in enumerate(tried):
        path.write_bytes(flipped(good, bit))
        try:
            assert content(pipeline) == before, bit  # never another content
            found = "harmless"
        except duckdb.Error as error:
            assert "orrupt" in str(error) or "not a valid DuckDB" in str(error), bit
            found = "detected"
        outcomes[found] += 1
        if number % 5:
            continue
        for name in CHAIN[1:]:
            done = pipeline.step(name)
            assert done.returncode in (0, 30, 40), (bit, done)
            if done.returncode:
                assert "`make rebuild` restores it from the raw snapshots" in done.stderr, (
                    bit,
                    done,
                )
                said.setdefault(done.returncode, done.stderr)
                found = "detected"
                break
        if found == "detected":
            again = pipeline.step("10_rebuild_warehouse")
            assert again.returncode == 0, (bit, again.stderr)
            rebuilt += 1
        done = pipeline.all_steps()
        assert done.returncode == 0, (bit, done.stderr)
        assert content(pipeline) == before, bit
        path.with_name("dw.db.wal").unlink(missing_ok=True)
    path.write_bytes(good)
    assert sum(outcomes.values()) == count and outcomes["detected"] and rebuilt
    for code, text in said.items():
        report(AREA, "a bit in netflix_dw.db", "03 to 07", sees(text), code,
               "detected; after rebuild old state", outcomes["detected"])  # fmt: skip
        outcomes["detected"] = 0
    report(AREA, "a bit in an unused part of netflix_dw.db", "03 to 07, all tables", "nothing", 0,
           "unchanged", outcomes["harmless"])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "lost", "empty", "odd"])
def test_a_lost_or_damaged_warehouse_is_restored_by_rebuild(pipeline, report, damage):
    path, before = pipeline.root / "dw.db", content(pipeline)
    good = path.read_bytes()
    path.unlink()
    if damage != "lost":
        path.write_bytes({"empty": b"", "cut": good[: len(good) // 2]}.get(damage, b"x" * 50_000))
    audit = pipeline.step("07_monitor_pipeline")
    code = 2 if damage == "lost" else 40
    assert audit.returncode == code
    again = pipeline.step("10_rebuild_warehouse")
    assert again.returncode == 0, again.stderr
    assert content(pipeline) == before
    assert pipeline.all_steps().returncode == 0
    assert content(pipeline) == before
    report(AREA, f"netflix_dw.db: {damage}", "07, then rebuild", sees(audit.stderr), f"{code}, 0",
           "old state, restored")  # fmt: skip


@pytest.mark.slow
def test_a_flipped_bit_in_the_published_copy_is_noticed_and_fixed(pipeline, report):
    assert pipeline.steps(*ALL).returncode == 0
    before, said = content(pipeline), ""
    place = pipeline.root / "data/published"
    files = [path for path in sorted((place / "current/").rglob("*")) if path.is_file()]
    found = random.Random(4).choices(
        files, weights=[path.stat().st_size + 1000 for path in files], k=200
    )
    is_whole = import_module("publish.versions").is_whole
    for number, chosen in enumerate(found):
        path = place / "current" / chosen.relative_to(place / "current")
        bit = random.Random(number).randrange(8 * path.stat().st_size)
        good = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(flipped(good, bit))
        if number % 20:
            assert not is_whole(place / "current"), (path, bit)
            path.write_bytes(good)
            assert is_whole(place / "current")
            continue
        damaged = (place / "current").readlink()
        again = pipeline.step("09_publish", PUBLISH_KEEP="2")
        assert again.returncode == 0, again.stderr
        assert f"{damaged.name} is damaged" in again.stderr, path
        assert (place / "current").readlink() != damaged
        said = again.stderr
        again = pipeline.step("09_publish", PUBLISH_KEEP="2")
        assert (again.returncode, again.stderr) == (0, "") and "as before" in again.stdout
    with duckdb.connect(str(place / "netflix.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM analytics_netflix_current").fetchone() == (41,)
    assert content(pipeline) == before
    assert len(list((place / "versions").iterdir())) <= 3
    report(AREA, "a bit in a published file", "09", sees(said), 0,
           "new state: published again; warehouse unchanged", len(found))  # fmt: skip
