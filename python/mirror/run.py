"""Bring a mirror level with the published version; a remote one in a child that cannot hang."""

import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from config import Settings
from errors import SettingsError, StepError
from mirror.difference import Published, State
from mirror.lake import Lake
from mirror.storage import Store, open_store
from runner import signals
from runner.redact import redact, strip_credentials
from warehouse.database import connect

# Scheme of MIRROR_URL -> (what can tell which versions there are, what can write): Python classes.
FORMATS = {
    "delta": ("mirror.delta.Delta", "mirror.delta.Delta"),
    "s3": ("mirror.delta.Delta", "mirror.delta.Delta"),
    "iceberg": ("mirror.lake.Catalogue", "mirror.iceberg.Iceberg"),
}
SERVICES = ("bigquery", "snowflake")
SILENCE_S = 600  # without a sign of life a remote mirror is given up


@dataclass
class Result:
    """What was done to a mirror."""

    place: str = ""
    tables: int = 0
    rows: int = 0  # written
    changed: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)  # of `changed`
    foreign: list[str] = field(default_factory=list)  # changed by somebody else


def mirror(settings: Settings, version: Path, log: Callable[[str], None]) -> Result:
    """Bring the mirror at MIRROR_URL level with a published version.

    `log` gets the traceback of an error. Raises StepError if the mirror cannot be written.
    """
    url = settings.mirror_url or ""
    place = strip_credentials(url)

    def work(sign: Callable[[str], None]) -> Result:
        scheme = url.partition(":")[0]
        if scheme in SERVICES:
            with signals.scratch_folder("mirror-", settings.data_dir) as folder:
                return load("mirror.cloud.bring_level")(settings, version, url, folder, sign)
        with open_store(url, settings) as store:
            store.on_write = sign
            return bring_level(settings, version, store, scheme)

    try:
        is_here = url.startswith(("delta:", "iceberg:"))
        return work(lambda _: None) if is_here else work_remotely(work)
    except StepError:
        raise
    except ImportError as error:
        raise SettingsError(f"{error}: MIRROR_URL needs {describe_packages(url)}") from None
    except Exception as error:
        log(redact("".join(traceback.format_exception(error)), url))
        first = (redact(str(error), url).splitlines() or [""])[0]
        raise StepError(
            f"the mirror at {place} is not up to date: {type(error).__name__}: {first}. "
            "Its readers keep the version that they had. The next run catches up, or: make mirror"
        ) from None


def describe_packages(url: str) -> str:
    """Say what a kind of mirror needs, and how it is installed."""
    service = url.partition(":")[0]
    if service in SERVICES:
        return f"what python/engines/requirements/{service}.txt lists; see docs/engines.md"
    return "what python/mirror/requirements.txt lists; `make mirror` installs it"


def load(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def bring_level(settings: Settings, version: Path, store: Store, scheme: str) -> Result:
    """Write what each table lacks, then name the new versions; nothing if the mirror is level."""
    teller, writer = FORMATS[scheme]
    lake: Lake = load(teller)(store)
    result = Result(store.place)
    if lake.is_at(version.name):
        return result
    lake = load(writer)(store)
    database = version / "netflix.duckdb"
    with closing(connect(database, settings, [store.folder], read_only=True)) as con:
        con.execute("SET preserve_insertion_order = false")
        published = Published(con, version)
        states: dict[str, State] = {}
        heads = lake.heads(published.tables)
        result.tables = len(heads)
        for name, table in published.tables.items():
            state = lake.state(name)
            if state is None and heads[name] is not None:
                result.foreign.append(name)
            change = published.compare(table, state)
            if state:
                states[name] = state
            if change:
                states[name] = change.state
                result.changed.append(name)
                result.rows += change.added_rows
                if lake.write(published, change):
                    result.whole.append(name)
        lake.publish(published, states)
    lake.remove_old()
    return result


def work_remotely(work: Callable[[Callable[[str], None]], Result]) -> Result:
    """Return or raise what `work` does in a child process, killed if it is silent for too long."""

    def work_in_child(sign: Callable[[], None]) -> Result:
        try:
            return work(lambda _: sign())
        except (StepError, ImportError):
            raise
        except BaseException as error:  # of a library: it may not be one that can be sent
            raise RuntimeError(f"{type(error).__name__}: {error}") from None

    def check(silence: float) -> None:
        if silence > SILENCE_S:
            raise TimeoutError(f"no answer for {SILENCE_S} seconds")

    try:
        return signals.run_in_child(work_in_child, check)
    except EOFError:
        raise OSError("the process that wrote it was killed") from None
