"""Read and write the state: one sealed file for each snapshot and each decision, in one chain.

A record is data/raw/snapshots/<batch>.json or data/decisions/<number>-<what>.json, written once and
never changed. It holds its number, its own name, name and seal of the record before it, and at its
end its own seal: the SHA-256 of all bytes before. So a record that is lost, cut, edited or swapped
is noticed. The end of the chain could be lost unnoticed, so the warehouse knows the last record.
"""

import hashlib
import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import Settings
from errors import StateError
from runner.files import replace_atomically, sync

SEAL_BYTES = len(b', "seal": "') + 64 + len(b'"}\n')
FORMAT = 1  # of a record that does not say which; a release that changes it raises this
LEFT_OUT = ("withdrawn", "lost")  # outweigh earlier verdicts, until the snapshot is restored
# Path -> (its size and times, record): read once by a process and its children.
records_read: dict[str, tuple[tuple, "Record | None"]] = {}
read_before: "tuple[list[tuple], State] | None" = None  # by a chain, which has the lock
SETTLED_NS = 3_000_000_000  # a file system's clock may stand still for two seconds


@dataclass(frozen=True)
class Record:
    """One link of the chain; `fields` describes the snapshot or the decision."""

    path: Path
    number: int
    previous_name: str
    previous_seal: str
    seal: str
    fields: dict[str, Any]


@dataclass
class State:
    """All records in order, and what is wrong with them."""

    records: list[Record]
    last_number: int = 0  # damaged records count, too
    problems: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)  # names of files that are no link
    sizes: dict[str, int] = field(default_factory=dict)  # of the files below snapshots/
    decisions: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    lost_seals: set[str] = field(default_factory=set)  # of another folder, given up with ACCEPT
    contracts: set[str] = field(default_factory=set)  # fingerprints that were judged

    def __post_init__(self) -> None:
        for record in self.records:
            self.count_decision(record.fields)

    @property
    def head(self) -> tuple[int, str, str]:
        """Number, name and seal of the last record; 0 and empty texts if there is none."""
        if not self.records:
            return self.last_number, "", ""
        last = self.records[-1]
        return max(last.number, self.last_number), last.path.name, last.seal

    def find_decision(self, batch_id: str, cdc_key: str | None = None) -> dict | None:
        """Return the decision that holds for a snapshot; None if it was never judged.

        "restored" cancels "withdrawn". With `cdc_key`, verdicts that hold for the other key only do
        not count: renumbered ids are no reason to leave a snapshot out of a history by title.
        """
        judged, left_out = None, None
        for entry in self.decisions.get(batch_id, ()):
            if cdc_key is not None and entry["cdc_key"] not in (None, cdc_key):
                continue
            if entry["verdict"] in LEFT_OUT:
                left_out = entry
            elif entry["verdict"] == "restored":
                left_out = None
            else:
                judged = entry
        return left_out or judged

    def count_decision(self, fields: dict) -> None:
        """Add a decision to those on its snapshot."""
        if "verdict" not in fields:
            return
        self.lost_seals.update(fields.get("lost_seals", ()))
        self.contracts.update(fields.get("contracts", ()))
        for batch_id in fields.get("lost_batches", ()):
            self.decisions[batch_id].append({"verdict": "lost", "cdc_key": None})
        if fields["batch_id"]:
            self.decisions[fields["batch_id"]].append(fields)


def read_state(settings: Settings) -> State:
    """Read and check the whole chain; `problems` says what does not fit."""
    if read_before and read_before[0] == look_at_folders(settings):
        return read_before[1]
    snapshots = look_at(settings.snapshots)
    seen = snapshots | look_at(settings.decisions)
    files = {path: key for path, key in seen.items() if path.endswith(".json")}
    for path in records_read.keys() - files.keys():
        del records_read[path]
    read = [(path, read_record(path, key)) for path, key in files.items()]
    whole = [record.fields for _, record in read if record]
    given_up = [fields for fields in whole if fields.get("verdict") == "adopted"]
    lost_files = {name for fields in given_up for name in fields.get("lost_files", ())}
    lost_numbers = {number for fields in given_up for number in fields.get("lost_numbers", ())}
    links: dict[int, Record] = {}
    damaged: dict[str, str] = {}
    for path, record in read:
        name = path.rpartition(os.sep)[2]
        if name in lost_files:
            continue
        if not record:
            damaged[name] = f"{name_file(settings, Path(path))} is damaged"
        elif record.number in links:
            damaged[name] = f"{name_file(settings, Path(path))} is of another folder"
        else:
            links[record.number] = record
    problems, expected, before = list(damaged.values()), 1, None
    for number in sorted(links):
        record = links[number]
        missing = number > expected and set(range(expected, number)) - lost_numbers
        if missing and record.previous_name not in damaged:
            more = f" and {len(missing) - 1:,} before it are" if missing - {number - 1} else " is"
            problems.append(f"{record.previous_name}{more} missing")
        elif number == expected and before and record.previous_seal != before.seal:
            damaged[record.path.name] = f"{name_file(settings, record.path)} is of another folder"
            problems.append(damaged[record.path.name])
        before, expected = record, number + 1
    names = [path.rpartition(os.sep)[2] for path in files]
    numbered = [int(name[:6]) for name in names if name[6:7] == "-" and name[:6].isdigit()]
    state = State([links[number] for number in sorted(links)], max([expected - 1, *numbered]))
    state.problems, state.damaged = problems, list(damaged)
    state.sizes = {path.rpartition(os.sep)[2]: key[0] for path, key in snapshots.items()}
    return state


def read_ahead(settings: Settings) -> State:
    """Read the state for all steps of a chain; they read it again only if a folder changed."""
    global read_before
    read_before, folders = None, look_at_folders(settings)
    state = read_state(settings)
    if all(time.time_ns() - changed_at > SETTLED_NS for *_, changed_at in folders):
        read_before = folders, state
    return state


def look_at_folders(settings: Settings) -> list[tuple]:
    """Return the folders that hold the records, and when a file last came or went there."""
    folders = [folder for folder in (settings.snapshots, settings.decisions) if folder.is_dir()]
    return [(str(folder), folder.stat().st_ino, folder.stat().st_mtime_ns) for folder in folders]


def look_at(folder: Path) -> dict[str, tuple]:
    """Return path -> size, times and inode: equal means that the file did not change."""
    entries = os.scandir(folder) if folder.is_dir() else ()
    seen = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.name[0] != ".":
            status = entry.stat()
            times = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            seen[entry.path] = (status.st_size, *times)
    return seen


def name_file(settings: Settings, path: Path) -> str:
    return str(path.relative_to(settings.data_dir))


def read_record(path: str, key: tuple) -> Record | None:
    """Read one record; None if it is damaged or under another name."""
    cached = records_read.get(path)
    if not cached or cached[0] != key:
        cached = records_read[path] = key, parse_record(path)
    return cached[1]


def parse_record(path: str) -> Record | None:
    with open(path, "rb", buffering=0) as file:
        text = file.read()
    if text[-SEAL_BYTES:] != compute_seal(text[:-SEAL_BYTES]):
        return None
    fields = json.loads(text)
    if fields.pop("format", FORMAT) != FORMAT:
        raise StateError(
            f"{path} was written by a newer release of this project. Go on with that release, or "
            "restore data folder and warehouse from before it."
        )
    if fields.pop("file") != path.rpartition(os.sep)[2]:
        return None
    return Record(
        Path(path),
        fields.pop("number"),
        fields.pop("previous_file"),
        fields.pop("previous_seal"),
        fields.pop("seal"),
        fields,
    )


def compute_seal(body: bytes) -> bytes:
    return b', "seal": "%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def append_record(state: State, folder: Path, name: str, fields: dict[str, Any]) -> Record:
    """Write the next record of the chain; it is on disk when this returns.

    `name` is the file's name, with {number:06} in it if the number is a part.
    """
    number, previous_file, previous_seal = state.head
    path = folder / name.format(number=number + 1)
    if path.exists():
        raise StateError(f"{path} exists already; a record is written once")
    if not folder.exists():
        folder.mkdir(parents=True)
        sync(folder.parent)
    chain = {"number": number + 1, "file": path.name}
    chain |= {"previous_file": previous_file, "previous_seal": previous_seal}
    body = json.dumps(chain | fields).encode()[:-1]
    with replace_atomically(path) as temporary:
        temporary.write_bytes(body + compute_seal(body))
    record = parse_record(str(path))
    assert record, f"{path} was changed while it was written"
    state.records.append(record)
    state.count_decision(record.fields)
    return record
