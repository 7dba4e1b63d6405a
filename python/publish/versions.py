"""Manage published versions: named by content, checked by digests, selected by one link."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from config import SQL, Settings, __version__
from errors import NotReady, QualityError
from publish import dashboard
from runner.files import fingerprint, sha256, sync
from warehouse.database import (
    DuckDBWarehouse,
    Warehouse,
    fetch_file,
    has_tables,
    has_warehouse,
    open_warehouse,
)

PAGE = "dashboard.html"
SECOND_NS = 10**9
SUMS = "SHA256SUMS"  # in each version, of its other files
ENTRIES = (
    "netflix.duckdb",
    PAGE,
    "kpi",
    "check_failures.csv",
    "dictionary.md",
    "lookml",
    SUMS,
)
NEEDED_FIRST = ("ops_", "analytics_build")  # say whether there is anything to publish


@contextmanager
def open_for_publishing(settings: Settings) -> Iterator[tuple[Warehouse, DuckDBWarehouse]]:
    """Open the warehouse read-only, and as DuckDB with the tables that say if anything is new.

    Raises NotReady if there is no warehouse.
    """
    if not has_warehouse(settings):
        raise NotReady("there is no warehouse to publish from; run `make run-all` first")
    with (
        closing(open_warehouse(settings, [settings.published], read_only=True)) as warehouse,
        closing(warehouse.as_duckdb(*NEEDED_FIRST)) as con,
    ):
        yield warehouse, con


def require_passed_audit(
    con: DuckDBWarehouse, settings: Settings, landed: Iterable[str]
) -> tuple[str, str]:
    """Return (newest merged batch, name of its version), if its audit passed.

    Raises NotReady if it was not audited or built upon yet, QualityError if its audit failed.
    The name has a digest of what decides on the content: merges, verdicts, and how it is made.
    """
    known = has_tables(con, "ops_merges", "ops_checks", "analytics_build")
    found = fetch_file(con, "publish/audit.sql") if known else []
    if not found:
        raise NotReady("nothing was audited and built yet; run `make run-all` first")
    state = found[0]
    if state["audited_batch"] != state["batch_id"] or not state["is_after_merge"]:
        raise NotReady(f"the merge of {state['batch_id']} is not audited: run `make monitor`")
    if state["status"] != "done":
        raise QualityError(
            f"the audit of {state['batch_id']} did not pass; nothing was published, readers keep "
            "the last version. See `make monitor`."
        )
    if state["built_batch"] != state["batch_id"]:
        raise NotReady(f"the star schema of {state['batch_id']} is not built: run `make analytics`")
    digest = page_fingerprint(
        settings, *(str(state[key]) for key in ("merges", "verdicts", "rules")), *sorted(landed)
    )
    return state["batch_id"], f"{state['batch_id']}-{digest}"


def page_fingerprint(settings: Settings, *texts: str) -> str:
    """Return 8 hex digits that differ if a version is made differently, or from other texts."""
    made_by = [*Path(__file__).parent.glob("*.py"), *dashboard.ASSETS.glob("*.*")]
    made_by += [*(dashboard.ASSETS / "built").iterdir(), *(SQL / "publish").glob("*.sql")]
    made_by += (SQL / "checks").glob("*.sql")  # the page quotes their notes
    return fingerprint(sorted(made_by), __version__, str(settings.freshness_days), *texts)[:8]


def find_version(version: Path) -> tuple[Path, list[Path]]:
    """Return the version if it is whole, else a free name for it; and the damaged versions.

    A damaged version stays until old versions are removed: somebody may have it open.
    """
    made = sorted(version.parent.glob(f"{version.name}*"))
    for path in made:
        if is_whole(path):
            return path, []
    chosen, number = version, 1
    while chosen in made:
        number += 1
        chosen = version.with_name(f"{version.name}.{number}")
    return chosen, made


def is_whole(version: Path) -> bool:
    """Return whether all files of a version are there, as they were written."""
    sealed = version / SUMS
    return sealed.is_file() and sealed.read_bytes() == checksums(version).encode()


def checksums(version: Path, pattern: str = "*") -> str:
    """Return the SHA-256 of each file, as `sha256sum --check` reads them."""
    paths = sorted(path for path in version.rglob(pattern) if path.is_file() and path.name != SUMS)
    return "".join(f"{sha256(path)}  {path.relative_to(version)}\n" for path in paths)


def seal_version(temporary: Path, version: Path) -> None:
    """Write the digests of all files, sync them to disk, and give the folder its name."""
    (temporary / SUMS).write_text(checksums(temporary), encoding="utf-8")
    for path in (*temporary.rglob("*"), temporary):
        sync(path)
    temporary.rename(version)
    sync(version.parent)


def update_links(place: Path, version: Path) -> None:
    """Move the link `current` to the version in one rename; the entries are links through it.

    The version also gets the newest modification time, even if the clock was set back.
    """
    newest = max(path.stat().st_mtime_ns for path in version.parent.iterdir())
    if version.stat().st_mtime_ns < newest:
        os.utime(version, ns=(time.time_ns(), max(time.time_ns(), newest + SECOND_NS)))
    replace_symlink(place / "current", f"versions/{version.name}")
    for name in ENTRIES:
        replace_symlink(place / name, f"current/{name}")


def replace_symlink(path: Path, target: str) -> None:
    if path.is_symlink() and str(path.readlink()) == target:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)
    sync(path.parent)


def remove_versions(place: Path, batches: set[str]) -> None:
    """Remove the versions of these batches, and links that led to one of them."""
    for version in (place / "versions").glob("*"):
        if version.name.removeprefix("held-").rpartition("-")[0] in batches:
            shutil.rmtree(version)
    for name in ("current", *ENTRIES):
        if (place / name).is_symlink() and not (place / name).exists():
            (place / name).unlink()


def remove_old_versions(place: Path, version: Path, settings: Settings) -> None:
    """Remove leftovers of a run that died, and all but the newest PUBLISH_KEEP versions."""
    for leftover in (*place.glob(".*.tmp"), *(place / "versions").glob(".*.tmp")):
        is_folder = leftover.is_dir() and not leftover.is_symlink()  # not a link to a version
        shutil.rmtree(leftover) if is_folder else leftover.unlink()
    others = [path for path in (place / "versions").iterdir() if path != version]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in others[max(settings.publish_keep - 1, 1) :]:  # a reader may be opening it
        shutil.rmtree(path)
