"""A situation has the same exit code in every script; see errors.py."""

import importlib.util

import pytest
from conftest import CHAIN, Pipeline
from titles import catalogue, title

RAW, LOAD, SCHEMA, STAGING, MERGE, MONITOR = CHAIN
ANALYTICS, PUBLISH, REBUILD = "08_build_analytics", "09_publish", "10_rebuild_warehouse"
VERIFY, WHY, PLAN = f"{REBUILD} --verify", "11_explain_title s1", f"{MERGE} --plan"
STATUS, OPEN, MIGRATE = "-m operations.status", "-m operations.status --open", "-m engines.migrate"
HAS_ENGINES = importlib.util.find_spec("sqlglot") is not None
ONE, TWO = (catalogue(*map(title, range(1, last))) for last in (11, 12))
ALL_FRESH = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}


def run_night(pipeline: Pipeline, content: bytes, day: int, *steps: str) -> None:
    settings = {"NETFLIX_CSV": pipeline.put(content), "SNAPSHOT_AT": f"2020-01-0{day}"}
    done = pipeline.steps(*steps, **settings, **ALL_FRESH)
    assert done.returncode == 0, done.stderr


def lose_warehouse(pipeline: Pipeline) -> None:
    run_night(pipeline, ONE, 1, *CHAIN)
    (pipeline.root / "dw.db").unlink()


def damage_warehouse(pipeline: Pipeline) -> None:
    run_night(pipeline, ONE, 1, RAW)
    (pipeline.root / "dw.db").write_bytes(b"no database" * 1_000)


def fail_audit(pipeline: Pipeline) -> None:
    run_night(pipeline, ONE, 1, *CHAIN[:5], ANALYTICS)
    assert pipeline.step(MONITOR).returncode == 30  # the snapshot is too old


def land_next(*steps: str):
    def build(pipeline: Pipeline) -> None:
        run_night(pipeline, ONE, 1, *CHAIN, ANALYTICS, PUBLISH)
        run_night(pipeline, TWO, 2, *steps)

    return build


def rebuild_before_staging(pipeline: Pipeline) -> None:
    """The columns of the second snapshot passed, but the rebuild left the first one loaded."""
    land_next(RAW, LOAD, SCHEMA)(pipeline)
    assert pipeline.step(REBUILD).returncode == 0


# Situation: how it comes about, and the code of each script that meets it.
TABLE = {
    "nothing was landed, there is no warehouse": (
        lambda pipeline: None,
        dict.fromkeys((LOAD, SCHEMA, STAGING, MERGE, MONITOR, ANALYTICS, PUBLISH, REBUILD), 2)
        | {VERIFY: 2, WHY: 2, OPEN: 2, MIGRATE: 2, STATUS: 0},
    ),
    "there is no input file": (lambda pipeline: None, {"01_inspect_data": 2, RAW: 2, PLAN: 2}),
    "the warehouse is lost": (
        lose_warehouse,
        dict.fromkeys((MONITOR, ANALYTICS, PUBLISH, VERIFY, WHY, MIGRATE), 2) | {STATUS: 0},
    ),
    "the warehouse is damaged": (
        damage_warehouse,
        dict.fromkeys((RAW, LOAD, SCHEMA, STAGING, MERGE, MONITOR, ANALYTICS), 40)
        | {PUBLISH: 40, VERIFY: 40, WHY: 40, STATUS: 40},
    ),
    "the snapshot is not loaded": (
        lambda pipeline: run_night(pipeline, ONE, 1, RAW),
        {SCHEMA: 2, STAGING: 2},
    ),
    "the snapshot before is loaded": (land_next(RAW), {SCHEMA: 2, STAGING: 2}),
    "the snapshot before is loaded again": (rebuild_before_staging, {STAGING: 2, SCHEMA: 2}),
    "nothing was staged": (
        lambda pipeline: run_night(pipeline, ONE, 1, RAW, LOAD, SCHEMA),
        dict.fromkeys((MONITOR, ANALYTICS, PUBLISH, VERIFY, WHY, MIGRATE), 2) | {STATUS: 0},
    ),
    "nothing was merged": (
        lambda pipeline: run_night(pipeline, ONE, 1, *CHAIN[:4]),
        dict.fromkeys((ANALYTICS, PUBLISH, VERIFY, WHY, MIGRATE), 2) | {STATUS: 0},
    ),
    "nothing was audited": (
        lambda pipeline: run_night(pipeline, ONE, 1, *CHAIN[:5], ANALYTICS),
        {PUBLISH: 2},
    ),
    "the newest merge is not audited": (land_next(*CHAIN[:5], ANALYTICS), {PUBLISH: 2}),
    "the audit failed": (fail_audit, {MONITOR: 30, PUBLISH: 30}),
    "no star schema was built": (
        lambda pipeline: run_night(pipeline, ONE, 1, *CHAIN),
        {PUBLISH: 2},
    ),
    "the star schema is of the merge before": (land_next(*CHAIN), {PUBLISH: 2}),
    "nothing was published": (lambda pipeline: run_night(pipeline, ONE, 1, *CHAIN), {OPEN: 2}),
}


def run(pipeline: Pipeline, command: str):
    script, *arguments = command.split()
    if script == "-m":
        arguments += ["--to", "spark"] if command == MIGRATE else []
        return pipeline.python(script, *arguments)
    return pipeline.step(script, *arguments)


@pytest.mark.parametrize("situation", TABLE)
def test_a_situation_has_the_same_exit_code_in_every_script(pipeline, situation):
    build, expected = TABLE[situation]
    expected = {name: code for name, code in expected.items() if HAS_ENGINES or name != MIGRATE}
    build(pipeline)
    before, warehouse = pipeline.digests(), pipeline.root / "dw.db"
    is_missing, codes = not warehouse.exists(), {}
    for command in expected:
        done = run(pipeline, command)
        if is_missing:
            warehouse.unlink(missing_ok=True)  # a step that stops makes one, for its record
        codes[command] = done.returncode
        if done.returncode == 2:
            assert "`make " in done.stderr, "the message names the step that must run first"
    assert codes == expected
    after = pipeline.digests()
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {path for path in changed if not path.startswith("data/alerts/")} == set()


def test_the_audit_alone_reports_a_missing_warehouse_and_what_to_run(pipeline):
    lose_warehouse(pipeline)
    told = pipeline.step(MONITOR, ALERT_URLS="json://127.0.0.1:1/x")
    assert told.returncode == 2
    (message,) = (pipeline.root / "data/alerts/spool").glob("*.json")
    assert "there is no warehouse" in message.read_text()
    assert "run the step that the message names" in message.read_text()
