"""Each file of data folder and warehouse is in turn lost, emptied, cut, old, swapped, one bit off.

The next run restores it, or ends with 40 (20 for the input), names it and the command, and changes
nothing. No case ends with 0 and another history.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import CHAIN, PROJECT, RECORDS, Pipeline, catalogue, title
from faults import Driver, Trial

from publish.versions import is_whole

RUN, WITHDRAW, REBUILD = "run_all", "history/withdraw", "10_rebuild_warehouse"
WHOLE = (*CHAIN, "08_build_analytics", "09_publish")
TITLES = [title(number) for number in range(1, 61)]
NIGHTS = {
    1: TITLES,
    2: [title(1, rating="R"), *TITLES[1:]],
    3: TITLES[:58],
    4: TITLES[:20],
    5: [*TITLES[:59], title(80)],
    6: TITLES[20:],
    7: [title(2, country="Chile"), *TITLES[2:]],
    8: [title(3, title="A mistake"), *TITLES[4:]],
    9: TITLES[:10],
    10: [title(4, director="Bo"), *TITLES[4:], title(90)],
}
LOOSE = {"MAX_DELETED_PCT": "100", "MAX_INSERTED_PCT": "100", "MAX_REJECTED_PCT": "5"}
NO_HISTORY = (
    *RECORDS.split(),
    "ops_metrics",
    "ops_origin",
    "ops_schema_changes",
    "staging_files",
    "publishable_file",
)
RECORDS_OF_STATE = ("data/decisions/*.json", "data/raw/snapshots/*.json")
HOW = ("removed", "emptied", "cut", "older", "swapped", "bit")


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    with Driver() as driver:
        yield driver


class Nights:
    """A pipeline that is played night by night, by its steps up to the merge."""

    def __init__(self, root: Path) -> None:
        contract = root / "contract.toml"
        contract.write_text((PROJECT / "sql/contract.toml").read_text())
        self.pipeline = Pipeline(root, settings_in(root))

    def run(self, *names: str, code: int = 0, **settings: str) -> str:
        done = self.pipeline.steps(*(names or CHAIN[:5]), **settings)
        assert done.returncode == code, done.stderr
        return done.stderr

    def night(self, day: int, *names: str, code: int = 0, **settings: str) -> str:
        text = catalogue(*NIGHTS[day])
        odd = text.replace("\r\ns30,", "\r\ns900,Movie\r\ns30,") if day == 3 else text
        self.pipeline.put(odd)
        return self.run(*names, code=code, SNAPSHOT_AT=f"2020-01-{day:02}", **settings)

    def keep_older(self) -> None:
        """Let older/ be a copy of all that there is now."""
        root = self.pipeline.root
        shutil.copytree(root / "data", root / "older/data", symlinks=True)
        shutil.copytree(root / "dw.db.staging", root / "older/dw.db.staging")
        shutil.copyfile(root / "dw.db", root / "older/dw.db")


def settings_in(root: Path) -> dict[str, str]:
    files = {"NETFLIX_CSV": root / "catalogue.csv", "CONTRACT_PATH": root / "contract.toml"}
    return {"FRESHNESS_DAYS": "36500"} | {name: str(path) for name, path in files.items()}


@pytest.fixture(scope="module")
def ten_nights(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Ten nights with all that a data folder can have.

    A refused night that a raised limit let pass, one by ACCEPT, one that stays refused, a late one,
    one withdrawn, one withdrawn and restored, rejects, and an edit of the contract.
    """
    nights = Nights(tmp_path_factory.mktemp("ten"))
    nights.night(2)
    nights.night(3, **LOOSE)
    nights.night(4, code=20)
    nights.run(**LOOSE)
    nights.night(5, **LOOSE)
    code = re.search(r"ACCEPT=(\w{12})", nights.night(6, code=20))[1]
    nights.run(ACCEPT=code)
    nights.night(7, *WHOLE, **LOOSE)
    nights.keep_older()
    nights.night(1)
    nights.night(8)
    pipeline = nights.pipeline
    second, mistake = (pipeline.batches()[at]["batch_id"] for at in (1, -1))
    for what, batch in (("withdraw", mistake), ("withdraw", second), ("restore", second)):
        assert pipeline.step(WITHDRAW, what, batch).returncode == 0
    contract, column = pipeline.root / "contract.toml", "[columns.director]"
    text = contract.read_text()
    contract.write_text(text.replace(column, f"{column}\ntracked = false"))
    nights.run()
    nights.night(9, code=20)
    nights.night(10, *WHOLE)
    verdicts = {verdict for _, verdict in pipeline.decisions()}
    assert verdicts == {"passed", "refused", "accepted", "withdrawn", "restored"}
    return pipeline


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The second one has a reject."""
    nights = Nights(tmp_path_factory.mktemp("two"))
    nights.night(2)
    nights.keep_older()
    nights.night(3, *WHOLE, **LOOSE)
    return nights.pipeline


@pytest.fixture
def folder(pipeline: Pipeline, ten_nights: Pipeline) -> Pipeline:
    pipeline.settings = settings_in(pipeline.root)
    return pipeline.copy_of(ten_nights)


@pytest.fixture
def small(pipeline: Pipeline, two_nights: Pipeline) -> Pipeline:
    pipeline.settings = settings_in(pipeline.root)
    return pipeline.copy_of(two_nights)


def history(pipeline: Pipeline) -> dict[str, tuple]:
    """Table -> rows and a hash of all of them, of all that follows from the state."""
    with duckdb.connect(str(pipeline.root / "dw.db"), read_only=True) as con:
        names = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {
            name: con.execute(
                f'SELECT count(*), sum(CAST(hash(t) AS HUGEINT)) FROM "{name}" AS t'
            ).fetchone()
            for (name,) in [*names, ("staging_netflix_titles",)]
            if name not in NO_HISTORY
        }


def keep(*paths: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.exists() else None for path in paths}


def put_back(kept: dict[Path, bytes | None]) -> None:
    for path, content in kept.items():
        write(path, content)


def write(path: Path, content: bytes | None) -> None:
    """Let another file be in its place, or none."""
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


def damage(path: Path, other: Path, older: Path, how: str) -> bool:
    """Do that to the file; whether it is another file now.

    The older copy of a file that was written once is the one of its kind before it.
    """
    good, second = path.read_bytes(), other.read_bytes()
    old = older.read_bytes() if older.is_file() and older.read_bytes() != good else second
    middle = len(good) // 2
    new = {
        "removed": None,
        "emptied": b"",
        "cut": good[:-1],
        "older": old,
        "swapped": second,
        "bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :] if good else b"",
    }[how]
    write(path, new)
    if how == "swapped":
        write(other, good)
    return new != good


def try_each(
    pipeline: Pipeline, driver: Driver, paths: list[Path], hows: tuple[str, ...] = HOW
) -> dict[tuple[str, str], int]:
    """Damage each file in each way, and run; (file, how) -> the exit code."""
    before, codes = history(pipeline), damage_each(pipeline, driver, paths, hows)
    done = driver.run(RUN, pipeline.environment)
    assert (done.returncode, history(pipeline)) == (0, before), done
    return codes


def damage_each(
    pipeline: Pipeline, driver: Driver, paths: list[Path], hows: tuple[str, ...]
) -> dict[tuple[str, str], int]:
    before, codes, root = history(pipeline), {}, pipeline.root
    for at, path in enumerate(paths):
        other, older = paths[at - 1], older_copy(pipeline, path)
        for how in hows:
            kept = keep(path, other)
            if not damage(path, other, older, how):
                continue
            case, files = (str(path.relative_to(root)), how), look_at_files(pipeline)
            named = (path.name, other.name) if how == "swapped" else (path.name,)
            done = driver.run(RUN, pipeline.environment)
            codes[case] = done.returncode
            if done.returncode:
                require_refusal(done, named, "make run-all")
                assert look_at_files(pipeline) == files, case
            assert history(pipeline) == before, (case, done)
            put_back(kept)
    return codes


def older_copy(pipeline: Pipeline, path: Path) -> Path:
    return pipeline.root / "older" / path.relative_to(pipeline.root)


def require_refusal(done: Trial, names: tuple[str, ...], command: str) -> None:
    """The run ended with 40, named one of the files, and the command."""
    assert done.returncode == 40, (names, done)
    assert any(name in done.stderr for name in names), (names, done)
    assert command in done.stderr and "Traceback" not in done.stderr, (names, done)


def look_at_files(pipeline: Pipeline) -> dict[str, str]:
    """Digests of the data folder, but for what says that a run failed, and the newest's copy."""
    digests = pipeline.digests()
    left_out = ("/alerts/", "netflix_titles_raw.parquet")
    return {
        name: digest for name, digest in digests.items() if not any(n in name for n in left_out)
    }


def find(pipeline: Pipeline, pattern: str) -> list[Path]:
    found = sorted(pipeline.root.glob(pattern))
    assert found, pattern
    return found


# --- the state: stops the run -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(
    "pattern", [*RECORDS_OF_STATE, "data/raw/snapshots/*Z-????????????.parquet"]
)
def test_each_record_and_snapshot_stops_the_next_run(folder, driver, pattern, part):
    paths = find(folder, pattern)
    codes = try_each(folder, driver, paths[part::3])
    assert len(codes) >= 6 * (len(paths) // 3) >= 18
    withdrawn = folder.batches()[-3]["parquet"]  # nothing reads it
    harmless = {case for case, code in codes.items() if code == 0}
    assert {Path(name).name for name, _ in harmless} <= {withdrawn}
    assert set(codes.values()) <= {0, 40}


@pytest.mark.slow
def test_a_record_a_decision_a_snapshot_and_its_rejects_stop_the_next_run(small, driver):
    for pattern, at, how in (
        ("data/decisions/*.json", 1, "removed"),
        ("data/raw/snapshots/*.json", 0, "bit"),
        ("data/raw/snapshots/*Z-????????????.parquet", 0, "bit"),
        ("data/raw/snapshots/*.rejects.parquet", 0, "cut"),
    ):
        codes = damage_each(small, driver, [find(small, pattern)[at]], (how,))
        assert set(codes.values()) == {40}, codes
    assert driver.run(RUN, small.environment).returncode == 0


# --- what is given up, or withdrawn, by the command that the message names --------------------


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 4, -1])
@pytest.mark.parametrize(
    "pattern", [*RECORDS_OF_STATE, "data/raw/snapshots/*Z-????????????.parquet"]
)
def test_the_command_gives_up_what_is_lost_for_good(folder, driver, pattern, at):
    path = find(folder, pattern)[at]
    path.unlink()
    done = driver.run(RUN, folder.environment)
    code = re.search(r"make run-all ACCEPT=(\w{12})", done.stderr)[1]
    done = driver.run(RUN, folder.environment | LOOSE | {"ACCEPT": code})
    assert done.returncode == 0, done
    given_up = history(folder)
    for name in (RUN, REBUILD, RUN):
        done = driver.run(name, folder.environment)
        assert done.returncode == 0, (name, done)
    assert history(folder) == given_up


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 4, -1])
def test_the_command_withdraws_a_snapshot_with_a_flipped_bit(folder, driver, at):
    path = find(folder, "data/raw/snapshots/*Z-????????????.parquet")[at]
    damage(path, path, path, "bit")
    done = driver.run(RUN, folder.environment)
    require_refusal(done, (path.name,), f"make withdraw BATCH={path.stem}")
    assert folder.step(WITHDRAW, "withdraw", path.stem).returncode == 0
    done = driver.run(RUN, folder.environment | LOOSE)
    assert done.returncode == 0, done
    assert folder.step(WITHDRAW, "restore", path.stem).returncode == 40, "it is still damaged"


# --- what is derived: is restored, or nobody reads it -----------------------------------------


DERIVED = (
    "data/raw/netflix_titles_raw.parquet",
    "data/raw/manifest.jsonl",
    "data/alerts/*",
    "data/published/current/netflix.duckdb",
    "data/published/current/SHA256SUMS",
    "data/published/current/dashboard.html",
    "data/published/current/kpi/kpi_titles_by_[cr]*.csv",
    "data/published/current/kpi/kpi_last_changes.parquet",
    "logs/*",
)
STAGED = ("parts", "lines", "netflix_quarantine", "lost_in_cast")


@pytest.mark.slow
@pytest.mark.parametrize("pattern", DERIVED)
def test_derived_files_are_restored(folder, driver, pattern):
    require_restored(folder, driver, pattern, HOW)


@pytest.mark.slow
def test_the_latest_snapshot_and_the_published_copy_are_restored(small, driver):
    require_restored(small, driver, DERIVED[0], ("emptied",))
    require_restored(small, driver, DERIVED[3], ("bit",))


def require_restored(
    pipeline: Pipeline, driver: Driver, pattern: str, hows: tuple[str, ...]
) -> None:
    before, place = history(pipeline), pipeline.root / "data/published"
    for path in find(pipeline, pattern):
        for how in hows:
            good = path.read_bytes()
            damage(path, place / "current/dictionary.md", older_copy(pipeline, path), how)
            done = driver.run(RUN, pipeline.environment)
            assert (done.returncode, history(pipeline)) == (0, before), (path, how, done)
            assert is_whole(place / "current"), (path, how, done)
            if path.parent.name in ("raw", "kpi"):
                assert path.read_bytes() == good, (path, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_each_file_of_staging_is_built_again(folder, driver, how):
    require_staging(folder, driver, STAGED, how)


def test_a_file_of_staging_is_built_again(small, driver):
    require_staging(small, driver, STAGED[:1], "bit")


def require_staging(pipeline: Pipeline, driver: Driver, views: tuple[str, ...], how: str) -> None:
    before, other = history(pipeline), pipeline.root / "other"
    for view in views:
        other.write_bytes(b"another file")
        path = find(pipeline, f"dw.db.staging/*.staging_{view}.parquet")[-1]
        damage(path, other, older_copy(pipeline, path), how)
        done = driver.run(RUN, pipeline.environment)
        assert (done.returncode, history(pipeline)) == (0, before), (path, how, done)
        assert "every record is staged again" in done.stdout, (path, how, done)


@pytest.mark.slow
def test_the_links_of_the_published_copy_are_restored(folder, driver):
    place, before = folder.root / "data/published", history(folder)
    links = {path: path.readlink() for path in place.iterdir() if path.is_symlink()}
    for link, target in links.items():
        link.unlink()
        done = driver.run(RUN, folder.environment)
        assert (done.returncode, link.readlink()) == (0, target), done
    [older] = [
        path
        for path in (place / "versions").iterdir()
        if path.name != links[place / "current"].name
    ]
    (place / "current").unlink()
    (place / "current").symlink_to(f"versions/{older.name}")
    done = driver.run(RUN, folder.environment)
    assert (done.returncode, history(folder)) == (0, before), done
    assert (place / "current").readlink() == links[place / "current"]


# --- the warehouse: is restored, or `make rebuild` restores it --------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_the_warehouse_is_restored(folder, driver, how):
    require_warehouse(folder, driver, how)


def test_the_command_restores_a_cut_warehouse(small, driver):
    require_warehouse(small, driver, "cut")


def require_warehouse(pipeline: Pipeline, driver: Driver, how: str) -> None:
    path, before = pipeline.root / "dw.db", history(pipeline)
    files = look_at_files(pipeline)
    damage(path, pipeline.root / "data/raw/manifest.jsonl", older_copy(pipeline, path), how)
    done = driver.run(RUN, pipeline.environment)
    if done.returncode:
        require_refusal(done, ("dw.db",), "make rebuild")
        if how != "swapped":
            assert look_at_files(pipeline) == files
        assert pipeline.step(REBUILD).returncode == 0
        done = driver.run(RUN, pipeline.environment)
    assert (done.returncode, history(pipeline)) == (0, before), done
    assert {name: files[name] for name in files if "/published/" not in name}.items() <= (
        look_at_files(pipeline).items()
    )


# --- the input: is refused --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["bit", "emptied", "cut", "older", "swapped"])
def test_an_input_that_differs_from_its_sha256_file_is_refused(small, driver, how):
    path, before, files = small.root / "catalogue.csv", history(small), look_at_files(small)
    new = catalogue(*NIGHTS[5])
    path.write_bytes(new.encode())
    digest = hashlib.sha256(new.encode()).hexdigest()
    (small.root / "catalogue.csv.sha256").write_text(f"{digest}  catalogue.csv\n")
    older = small.root / "older.csv"
    older.write_bytes(catalogue(*NIGHTS[7]).encode())
    damage(path, older, older, how)
    done = driver.run(RUN, small.environment)
    assert (done.returncode, "catalogue.csv" in done.stderr) == (20, True), done
    assert (history(small), look_at_files(small)) == (before, files)
    path.write_bytes(new.encode())
    assert driver.run(RUN, small.environment | LOOSE).returncode == 0
