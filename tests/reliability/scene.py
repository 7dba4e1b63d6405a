"""A catalogue of two days, the state before each step of day 2, and what became of the second.

All trials work in one folder, `work`, as the raw view names its snapshot by the full path.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import duckdb
from conftest import RECORDS, Pipeline, catalogue, title
from faults import Driver, Trial

from publish.versions import ENTRIES
from warehouse.places import find_staging

STEPS = (
    "02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema", "05_run_staging_sql",
    "06_merge_cdc", "07_monitor_pipeline", "08_build_analytics", "09_publish",
)  # fmt: skip
LEFT_OUT = f"{RECORDS} ops_schema_changes raw_netflix_titles"
SEEN: dict[str, dict] = {}  # content by its digest: looked at once
VOLATILE = (
    *("landed_at", "previous_seal", "seal"),
    *("parquet_sha256", "parquet_bytes", "rejects_sha256", "rejects_bytes"),
)


def days(titles: int = 60) -> tuple[str, str]:
    """Day 2 changes, drops and adds titles, and has one record that does not fit the header."""
    first = [title(number) for number in range(1, titles + 1)]
    second = [title(1, title="Another name"), *first[2:], *map(title, range(500, 505))]
    return catalogue(*first), catalogue(second[0]) + "s900,Movie\r\n" + "".join(
        catalogue(record).split("\r\n", 1)[1] for record in second[1:]
    )


class Scene:
    """before[step]: the state before it on day 2; after[step]: behind it; final: of the chain."""

    def __init__(self, root: Path, shim: Path | None = None):
        self.root, self.shim = root, shim
        (root / "work").mkdir(parents=True)
        first, second = root / "day1.csv", root / "day2.csv"
        for path, text in zip((first, second), days(), strict=True):
            path.write_bytes(text.encode())
        day = {"NETFLIX_CSV": str(first), "SNAPSHOT_AT": "2022-01-01", "FRESHNESS_DAYS": "36500"}
        self.work = Pipeline(root / "work", day)
        self.before, self.after = {}, {}
        self.driver = driver = Driver()
        self.well(driver.run("run_all", self.work.environment))
        self.work.settings |= {"NETFLIX_CSV": str(second), "SNAPSHOT_AT": "2022-01-02"}
        now = state(self.work)
        for step in STEPS:
            self.keep(step)
            self.before[step] = now
            self.well(driver.run(step, self.work.environment))
            self.after[step] = now = state(self.work)
        self.put(STEPS[0])
        self.well(driver.run("run_all", self.work.environment))
        self.final = state(self.work)
        self.whole = set()  # the states of which it is known how they go on

    @staticmethod
    def well(trial: Trial) -> None:
        assert trial.returncode == 0, trial

    def keep(self, name: str) -> None:
        shutil.copytree(self.work.root, self.root / f"before {name}", symlinks=True)

    def put(self, step: str) -> None:
        """Let the folder be as it was before this step of day 2."""
        shutil.rmtree(self.work.root)
        shutil.copytree(self.root / f"before {step}", self.work.root, symlinks=True)

    def old_or_new(self, step: str, trial: Trial | None, always: bool = False) -> str:
        """Return "old state" or "new state"; in each the next plain run ends as if undisturbed.

        Each part (warehouse, raw, decisions, alerts, published) is one atomic thing: it must be as
        before the step or as behind it. A state seen before is not run on again, but for `always`.
        """
        found = state(self.work)
        old, new = self.before[step], self.after[step]
        for part, value in found.items():
            if part in ("alerts", "audit") and step == STEPS[5] and trial.returncode > 0:
                continue  # that a check, or all of them, could not run is kept: it is the news
            assert value in (old[part], new[part]), (part, difference(old[part], value), trial)
        if trial and trial.returncode == 0:
            assert found == new, trial
        seen = (step, repr(found), leftovers(self.work.root))
        if always or seen not in self.whole:
            self.goes_on(trial)
            self.whole.add(seen)
        return "old state" if found == old else "new state" if found == new else "part by part"

    def in_chain(self, trial: object, go_on: bool = True) -> str:
        """The same for a run of the whole chain: each part as it is before or behind some step.

        What was published is never newer than the warehouse, and the warehouse than raw.
        """
        found = state(self.work)
        states = [self.before[STEPS[0]], *self.after.values(), self.final]
        for part, value in found.items():
            if part == "alerts":
                assert "Traceback" not in repr(value)
            elif part != "audit":  # they say what went wrong, if something did
                known = [state[part] for state in states]
                assert value in known, (part, difference(known[-1], value), trial)
        old, new = states[0], states[-1]
        if found["published"] != old["published"]:
            assert found["warehouse"] in [self.after[s]["warehouse"] for s in STEPS[-2:]], trial
        if found["warehouse"] != old["warehouse"]:
            assert found["raw"] == new["raw"], trial
        if go_on:
            self.goes_on(trial)
        same = [name for name in found if name != "alerts" and found[name] != old[name]]
        whole = all(found[name] == new[name] for name in new if name != "alerts")
        return "new state" if whole else "as behind one of the steps" if same else "old state"

    def goes_on(self, trial: object) -> None:
        """The next night's run ends as if nothing had been, and sweeps what was left."""
        for path in self.work.root.rglob(".*.tmp"):
            os.utime(path, (0, 0), follow_symlinks=False)
        again = self.driver.run("run_all", self.work.environment)
        assert again.returncode == 0, (trial, again)
        end = state(self.work)
        assert end == self.final, (trial, difference(self.final, end))
        assert not [path for path in leftovers(self.work.root) if "tmp" in path], trial

    def restored(self, trial: object) -> str:
        """The warehouse is damaged: a run says so and names the command, which restores it."""
        told = self.driver.run("run_all", self.work.environment)
        assert told.returncode in (1, 40), (trial, told)  # 40: it cannot even be opened
        assert "Traceback" not in told.stderr
        assert "make rebuild" in told.stderr, (trial, told)
        self.well(self.driver.run("10_rebuild_warehouse", self.work.environment))
        self.well(self.driver.run("run_all", self.work.environment))
        end, final = state(self.work), self.final
        for name in ("analytics_netflix_history", "ops_merges", "fact_title_catalog", "raw"):
            assert end["warehouse"][name] == final["warehouse"][name], (trial, name)
        assert end["raw"] == final["raw"]
        return "detected, restored by `make rebuild`"


def state(pipeline: Pipeline) -> dict[str, object]:
    """What there is, part by part, without the times of runs; asserts that files are whole."""
    data = pipeline.root / "data"
    return {
        **parts_of(warehouse(pipeline.root / "dw.db")),
        "raw": raw(pipeline),
        "latest": digest(data / "raw" / "netflix_titles_raw.parquet", pipeline),
        "decisions": pipeline.decisions(),
        "alerts": lines(data / "alerts" / "state.json", "told_at"),
        "published": published(data / "published"),
    }


def warehouse(path: Path) -> dict[str, object] | None:
    """Digest of each table and view; and which steps are recorded as done for which snapshot.

    A view is its text: what it selects from is in the tables, or in staging's files, which are
    whole.
    """
    if not path.exists():
        return None
    if path.with_name(path.name + ".wal").exists():
        found = warehouse_now(path)
    else:
        known = sha(path.read_bytes())  # many a fault changes nothing at all
        found = SEEN[known] = SEEN.get(known) or warehouse_now(path)
    for name, digest in found["files of staging"]:
        staged = find_staging(path) / name
        assert hashlib.sha256(staged.read_bytes()).hexdigest() == digest, name
    return found


def warehouse_now(path: Path) -> dict[str, object]:
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        views = con.execute(
            "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        found = {
            name: sha(sorted(map(repr, con.execute(f'SELECT * FROM "{name}"').fetchall())))
            for (name,) in tables
            if name not in LEFT_OUT.split()
        }
        found["files of staging"] = con.execute(
            "SELECT file_name, sha256 FROM staging_files ORDER BY ALL"
        ).fetchall()
        found |= {name: sha(text) for name, text in views}
        if "raw_netflix_titles" in found:
            found["raw"] = con.execute(
                "SELECT count(*), min(batch_id), max(batch_id) FROM raw_netflix_titles"
            ).fetchall()
        found["done"] = con.execute(
            "SELECT DISTINCT step, batch_id FROM ops_runs WHERE status = 'done' ORDER BY ALL"
        ).fetchall()
        found["checks"] = con.execute(
            "SELECT batch_id, check_name, verdict FROM ops_checks "
            "WHERE checked_at = (SELECT max(checked_at) FROM ops_checks) ORDER BY ALL"
        ).fetchall()
    return found


def parts_of(warehouse: dict[str, object] | None) -> dict[str, object]:
    """What an audit found is kept also where it fails: a part of its own."""
    rest = dict(warehouse or {})
    return {"audit": [rest.pop("checks", None), rest.pop("ops_metrics", None)], "warehouse": rest}


def raw(pipeline: Pipeline) -> list[dict]:
    """The records of the snapshots, each of which stands for files that are there and whole."""
    batches = pipeline.batches()
    for batch in batches:
        for kind in ("parquet", "rejects"):
            if batch[kind]:
                path = pipeline.root / "data" / "raw" / "snapshots" / batch[kind]
                bytes_now = hashlib.sha256(path.read_bytes()).hexdigest()
                assert bytes_now == batch[f"{kind}_sha256"], path
    return [{k: v for k, v in batch.items() if k not in VOLATILE} for batch in batches]


def digest(path: Path, pipeline: Pipeline) -> str | None:
    """Which snapshot the newest-snapshot file is; each byte of it."""
    if not path.exists():
        return None
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    names = [b["batch_id"] for b in pipeline.batches() if b["parquet_sha256"] == found]
    assert names, f"{path} is no snapshot"
    return names[0]


def lines(path: Path, volatile: str) -> list | None:
    if not path.exists():
        return None
    text = path.read_text()
    found = [json.loads(text)] if path.suffix == ".json" else map(json.loads, text.splitlines())
    return [{key: value for key, value in line.items() if key != volatile} for line in found]


def published(place: Path) -> dict[str, object] | None:
    """What a reader sees; every version that bears a name must be whole."""
    if not place.exists():
        return None
    if not (place / "current").is_symlink():
        return {}
    whole = {entry.name for entry in (place / "current").iterdir()}
    assert whole == set(ENTRIES)
    version = (place / "current").resolve()
    stats = [(path, path.stat()) for path in sorted(version.rglob("*"))]
    known = sha([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])
    if known not in SEEN:
        SEEN[known] = version_now(place)
    entries = {  # the links next to `current`, which all lead through it
        path.name: str(path.readlink())
        for path in sorted(place.iterdir())
        if path.is_symlink() and path.name[0] != "." and path.name != "current"
    }
    return {**SEEN[known], "entries": entries}


def version_now(place: Path) -> dict[str, object]:
    found: dict[str, object] = {
        str(path.relative_to(place / "current")): sha(path.read_bytes())
        for folder in ("kpi", "lookml")
        for path in sorted((place / "current" / folder).iterdir())
        if path.suffix != ".parquet"  # the same rows as the .csv, in bytes that may differ
    }
    with duckdb.connect(str(place / "current" / "netflix.duckdb"), read_only=True) as con:
        for (name,) in con.execute(
            "SELECT table_name FROM information_schema.tables ORDER BY 1"
        ).fetchall():
            if name not in LEFT_OUT.split():
                rows = con.execute(f'SELECT * FROM "{name}"').fetchall()
                found[name] = sha(sorted(map(repr, rows)))
    return found


def sha(value: object) -> str:
    text = value if isinstance(value, bytes) else repr(value).encode()
    return hashlib.sha256(text).hexdigest()[:12]


def difference(expected: object, found: object) -> object:
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        return expected, found
    return {
        key: (expected.get(key), found.get(key))
        for key in {*expected, *found}
        if expected.get(key) != found.get(key)
    }


def leftovers(root: Path) -> tuple[str, ...]:
    """What is there that no state names: temporary files, a WAL, versions; without numbers.

    Of temporary folders, which are swept as one, their name.
    """
    names = {str(path.relative_to(root)) for path in root.rglob("*")}
    names = {re.sub(r"(\.tmp|landing)/.*", r"\1/", name) for name in names}
    kept = {name for name in names if re.search(r"\.tmp|\.wal|landing|versions/", name)}
    return tuple(sorted({re.sub(r"\d{3,}", "#", name) for name in kept}))


def words(trial: Trial) -> str:
    """What the person reads, without paths, numbers and what varies by run."""
    text = (trial.stderr.strip() or trial.stdout.strip()).split("\n")[0]
    text = re.sub(r"(?<![\w<])/[\w./ -]*\w", "<path>", text)
    text = re.sub(r"\d{8}T\d{6}[-Z\w]*", "<run>", text)
    return re.sub(r"\d{3,}", "<n>", re.sub(r"\s+", " ", text))[:160]
