"""Mirror into Delta tables (delta:///path, s3://bucket/prefix).

delta-rs cannot write deletion vectors yet (1.6.6): it would rewrite every data file that holds an
ended row, which are all of them. So a commit is written here, by Delta's protocol: one JSON file of
actions, put under the next number if nobody else has. delta-rs makes the checkpoints, and replaces
a table that somebody else changed.
"""

import base64
import json
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from errors import StepError
from mirror.difference import RULES, TYPES, Change, Published, State, Table
from mirror.lake import Lake, as_metadata, ask_all, is_scattered, keys_of, state_from
from mirror.storage import Folder

CHECKPOINT_EVERY = 20  # commits: a reader replays those since the last checkpoint
VECTOR_MAGIC = (1681511377).to_bytes(4, "little")  # of a RoaringBitmapArray
# Z85, which Delta writes vectors in, and the alphabet that Python's b85encode has.
Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

File = dict[str, Any]  # path, size, rows, and vector (data, bytes, rows) if some rows are dead


class Delta(Lake):
    """Delta tables below one root, one folder each."""

    name = "delta"

    def log(self, table: str, version: int) -> str:
        return f"{table}/_delta_log/{version:020}.json"

    def heads(self, tables: Iterable[str]) -> dict[str, Any]:
        return ask_all(self.head, tables)

    def head(self, table: str) -> int | None:
        names = [name.rpartition("/")[2] for name in self.store.list(f"{table}/_delta_log")]
        numbers = [int(name[:20]) for name in names if len(name) == 25 and name.endswith(".json")]
        return max(numbers, default=None)

    def state(self, table: str) -> State | None:
        version = self.head(table)
        return None if version is None else state_from(self.read_commit(table, version))

    def read_commit(self, table: str, version: int) -> dict[str, Any]:
        """Return what we wrote with a commit: a State, and `files`; empty if it is not ours."""
        text = self.store.read(self.log(table, version))
        try:
            actions = [json.loads(line) for line in (text or b"").splitlines()]
            kept = next(a["commitInfo"] for a in actions if "commitInfo" in a).get("mirror", {})
            if "files" not in kept:  # delta-rs wrote the data in our name
                added = [a["add"] for a in actions if "add" in a]
                kept["files"] = [
                    {"path": a["path"], "size": a["size"]}
                    | {"rows": json.loads(a["stats"])["numRecords"]}
                    for a in added
                ]
            return kept
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            return {}

    def write(self, published: Published, change: Change) -> bool:
        table, version = change.table.name, self.head(change.table.name)
        kept = {} if version is None else self.read_commit(table, version)
        files: list[File] = kept.get("files", [])
        if not change.is_whole and would_scatter(files, change):
            change = change.whole()
        actions: list[dict[str, Any]] = []
        if change.ended:
            places = self.find_rows(
                [f"{table}/{file['path']}" for file in files],
                change.key,
                keys_of(published, change),
            )
            if sum(map(len, places.values())) != change.ended_rows:
                change = change.whole()  # a row that ended is there twice, or not at all
            else:
                marked = [mark_rows(f, places.get(f"{table}/{f['path']}", [])) for f in files]
                for old, new in zip(files, marked, strict=True):
                    actions += [remove(old), add(new)] if new is not old else []
                files = marked
        if change.is_whole and version is not None and not state_from(kept):
            self.replace_foreign(published, change)
            return True
        if change.is_whole:
            actions += [remove(file) for file in files]
            files = []
            if kept.get("columns") != change.state.columns:
                actions = [*describe(change.table, kept.get("id")), *actions]
        if change.added_rows:
            files = [*files, self.add_file(published, change)]
            actions.append(add(files[-1]))
        info: dict[str, Any] = {
            "timestamp": now_ms(),
            "operation": "WRITE",
            "operationParameters": {"mode": "Overwrite" if change.is_whole else "Append"},
            "mirror": as_metadata(change.state) | {"files": files, "id": kept.get("id")},
        }
        for action in actions:
            if "metaData" in action:
                info["mirror"]["id"] = action["metaData"]["id"]
        lines = "\n".join(json.dumps(action) for action in ({"commitInfo": info}, *actions))
        number = 0 if version is None else version + 1
        try:
            self.store.put(self.log(table, number), lines.encode(), is_new=True)
        except FileExistsError:
            raise StepError(
                f"{table}: another program changed it in the mirror just now. Run it again"
            ) from None
        if number and number % CHECKPOINT_EVERY == 0:
            self.open_table(table).create_checkpoint()
        return change.is_whole

    def add_file(self, published: Published, change: Change) -> File:
        path = self.make_file(published, change, {})
        file = {"path": f"{uuid4()}.parquet", "size": path.stat().st_size}
        self.store.take(path, f"{change.table.name}/{file['path']}")
        return file | {"rows": change.added_rows}

    def replace_foreign(self, published: Published, change: Change) -> None:
        """Replace a table whose newest version is not ours: delta-rs knows what is in it."""
        import pyarrow.parquet as pq
        from deltalake import CommitProperties, write_deltalake

        path = self.make_file(published, change, {})
        self.store.on_write(change.table.name)
        with pq.ParquetFile(path) as file:
            write_deltalake(
                self.open_table(change.table.name),
                file.read() if not file.metadata.num_rows else read_batches(file),
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=CommitProperties(
                    custom_metadata={"mirror": as_metadata(change.state)}
                ),
            )
        path.unlink()

    def open_table(self, table: str) -> Any:
        from deltalake import DeltaTable

        if isinstance(self.store, Folder):
            return DeltaTable(self.store.root / table)
        options = self.store.options  # type: ignore[attr-defined]
        return DeltaTable(f"{self.store.place}/{table}", storage_options=options)

    def remove_old(self) -> None:
        """Remove data files and commits that no kept publication needs."""
        tables = {name for kept in self.publications for name in kept["tables"]}
        for table in tables:
            versions = self.kept_versions(table)
            needed = {
                f"{table}/{file['path']}"
                for version in versions
                for file in self.read_commit(table, version).get("files", [])
            }
            names = self.store.list(table)
            logs = {name for name in names if name.startswith(f"{table}/_delta_log/")}
            points = {int(name.rpartition("/")[2][:20]) for name in logs if ".checkpoint" in name}
            start = max((point for point in points if point <= min(versions)), default=0)
            old = {
                name
                for name in logs
                if (number := name.rpartition("/")[2][:20]).isdigit() and int(number) < start
            }
            data = {name for name in names if name.endswith(".parquet")} - logs
            leftovers = {name for name in names if name.endswith(".tmp")}  # of a run that died
            self.store.remove(sorted(old | (data - needed) | leftovers))


def read_batches(file: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def would_scatter(files: list[File], change: Change) -> bool:
    rows = sum(file["rows"] for file in files)
    dead = sum(file.get("vector", {}).get("rows", 0) for file in files)
    return is_scattered(len(files), rows, dead + change.ended_rows)


def mark_rows(file: File, rows: list[int]) -> File:
    """Return a data file with these rows dead, too."""
    from pyroaring import BitMap64

    if not rows:
        return file
    dead = BitMap64(rows)
    if vector := file.get("vector"):
        data = base64.b85decode(vector["data"].encode().translate(bytes.maketrans(Z85, B85)))
        dead |= BitMap64.deserialize(data[len(VECTOR_MAGIC) : vector["bytes"]])
    data = VECTOR_MAGIC + dead.serialize()
    text = base64.b85encode(data, pad=True).translate(bytes.maketrans(B85, Z85)).decode()
    return file | {"vector": {"data": text, "bytes": len(data), "rows": len(dead)}}


def describe_vector(file: File) -> dict[str, Any]:
    if not (vector := file.get("vector")):
        return {}
    return {
        "deletionVector": {
            "storageType": "i",
            "pathOrInlineDv": vector["data"],
            "sizeInBytes": vector["bytes"],
            "cardinality": vector["rows"],
        }
    }


def add(file: File) -> dict[str, Any]:
    stats = {"numRecords": file["rows"], "tightBounds": "vector" not in file}
    return {
        "add": {
            "path": file["path"],
            "partitionValues": {},
            "size": file["size"],
            "modificationTime": now_ms(),
            "dataChange": True,
            "stats": json.dumps(stats),
        }
        | describe_vector(file)
    }


def remove(file: File) -> dict[str, Any]:
    return {
        "remove": {
            "path": file["path"],
            "deletionTimestamp": now_ms(),
            "dataChange": True,
            "extendedFileMetadata": True,
            "partitionValues": {},
            "size": file["size"],
        }
        | describe_vector(file)
    }


def describe(table: Table, known: str | None) -> list[dict[str, Any]]:
    """Return the actions that say what the columns are; first of all, what a reader must know."""
    fields = [
        {"name": name, "type": TYPES[kind], "nullable": True, "metadata": {"comment": comment}}
        for name, kind, comment in table.columns
    ]
    has_vectors = table.name in RULES and bool(RULES[table.name].key)
    metadata = {
        "id": known or str(uuid4()),
        "name": table.name,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": {"delta.enableDeletionVectors": "true"} if has_vectors else {},
        "createdTime": now_ms(),
    }
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if has_vectors:
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
        protocol |= {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    return [*([] if known else [{"protocol": protocol}]), {"metaData": metadata}]
