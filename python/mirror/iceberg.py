"""Mirror into Iceberg tables (iceberg:///path), with a SQLite catalogue in the same folder."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import ExpireSnapshots
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from mirror.difference import TYPES, Change, Published, State, Table
from mirror.lake import (
    CATALOGUE,
    NAMESPACE,
    Catalogue,
    as_metadata,
    is_scattered,
    keys_of,
    state_from,
)
from mirror.snapshot import MirrorSnapshot, files_of, write_deletes
from mirror.storage import Folder

ICEBERG_TYPES: dict[str, IcebergType] = {
    "string": StringType(), "date": DateType(), "timestamp": TimestamptzType(),
    "boolean": BooleanType(), "integer": IntegerType(), "long": LongType(), "double": DoubleType(),
}  # fmt: skip
OURS = "mirror."  # before the names of a State in a snapshot's summary


class Iceberg(Catalogue):
    """Iceberg tables in the namespace `netflix` of a catalogue in the mirror's folder."""

    def __init__(self, store: Folder) -> None:
        super().__init__(store)
        place = {"uri": f"sqlite:///{self.root / CATALOGUE}", "warehouse": f"file://{self.root}"}
        self.catalogue = SqlCatalog("mirror", **place)
        self.catalogue.create_namespace_if_not_exists(NAMESPACE)

    def load(self, table: str) -> Any:
        try:
            return self.catalogue.load_table((NAMESPACE, table))
        except NoSuchTableError:
            return None

    def state(self, table: str) -> State | None:
        return read_state(self.load(table))

    def write(self, published: Published, change: Change) -> bool:
        name, table = change.table.name, self.load(change.table.name)
        known = read_state(table)
        if not change.is_whole and would_scatter(table, change):
            change = change.whole()
        places: dict[str, list[int]] = {}
        if change.ended:
            paths = [task.file.file_path.removeprefix("file://") for task in plan_files(table)]
            names = [str(Path(path).relative_to(self.root)) for path in paths]
            places = self.find_rows(names, change.key, keys_of(published, change))
            if sum(map(len, places.values())) != change.ended_rows:
                change, places = change.whole(), {}
        with self.begin(table, change.table) as transaction:
            if (
                change.is_whole
                and table is not None
                and (known is None or known.columns != change.state.columns)
            ):
                set_columns(transaction, change.table)
            metadata = transaction.table_metadata
            snapshot = MirrorSnapshot(
                Operation.OVERWRITE if change.is_whole or places else Operation.APPEND,
                transaction,
                transaction._table.io,
                snapshot_properties={
                    OURS + key: str(value) for key, value in as_metadata(change.state).items()
                },
            )
            snapshot.is_whole = change.is_whole
            if change.added_rows:
                ids = {field.name: field.field_id for field in metadata.schema().fields}
                path = self.root / name / "data" / f"{uuid4()}.parquet"
                made = self.make_file(published, change, ids)
                self.store.take(made, str(path.relative_to(self.root)))
                snapshot.append_data_file(
                    parquet_file_to_data_file(transaction._table.io, metadata, f"file://{path}")
                )
            if places:
                dead = self.root / name / "data" / f"{uuid4()}-deletes.parquet"
                self.store.on_write(str(dead))
                files = {f"file://{self.root / file}": rows for file, rows in places.items()}
                snapshot.deletes = write_deletes(dead, files)
            self.expire(transaction, name)
            snapshot.commit()
            self.store.on_write(f"{name}: commit")
        return change.is_whole

    def begin(self, table: Any, wanted: Table) -> Transaction:
        """Begin a transaction on a table, or the one that creates it."""
        if table is not None:
            return table.transaction()
        fields = [
            NestedField(number, name, ICEBERG_TYPES[TYPES[kind]], doc=comment or None)
            for number, (name, kind, comment) in enumerate(wanted.columns, 1)
        ]
        return self.catalogue.create_table_transaction(
            (NAMESPACE, wanted.name),
            Schema(*fields),
            location=f"file://{self.root / wanted.name}",
            properties={"format-version": "2"},
        )

    def expire(self, transaction: Transaction, table: str) -> None:
        """Forget the snapshots that will be in no kept publication."""
        current = transaction.table_metadata.current_snapshot()
        kept = {current.snapshot_id} if current else set()
        kept |= {self.snapshot_of(location) for location in self.kept_versions(table)}
        old = {snapshot.snapshot_id for snapshot in transaction.table_metadata.snapshots} - kept
        if old:
            expiry = ExpireSnapshots(transaction)
            for number in old:
                expiry.by_id(number)
            expiry.commit()

    def snapshot_of(self, location: str) -> int | None:
        text = self.store.read(str(Path(location.removeprefix("file://")).relative_to(self.root)))
        return json.loads(text).get("current-snapshot-id") if text else None

    def remove_old(self) -> None:
        """Remove files that no kept publication needs."""
        for name in {name for kept in self.publications for name in kept["tables"]}:
            table = self.load(name)
            locations = {table.metadata_location, *self.kept_versions(name)}
            snapshots = {self.snapshot_of(location) for location in locations}
            needed = set(locations)
            for snapshot in table.snapshots():
                if snapshot.snapshot_id in snapshots:
                    needed |= files_of(snapshot, table.io)
            kept = {
                str(Path(path.removeprefix("file://")).relative_to(self.root)) for path in needed
            }
            self.store.remove(sorted(self.store.list(name).keys() - kept))


def read_state(table: Any) -> State | None:
    snapshot = table and table.current_snapshot()
    if not snapshot or not snapshot.summary:
        return None
    known = {name: snapshot.summary.get(OURS + name) for name in State.__dataclass_fields__}
    rows = known["rows"]
    return state_from(known | {"rows": int(rows) if rows and rows.isdigit() else None})


def plan_files(table: Any) -> list[Any]:
    return list(table.scan().plan_files())


def would_scatter(table: Any, change: Change) -> bool:
    summary = table.current_snapshot().summary
    files, rows, dead = (
        int(summary.get(f"total-{name}") or 0)
        for name in ("data-files", "records", "position-deletes")
    )
    return is_scattered(files, rows, dead + change.ended_rows)


def set_columns(transaction: Transaction, wanted: Table) -> None:
    """Give a table the columns of the published one; what differs is dropped and added again."""
    types = {name: ICEBERG_TYPES[TYPES[kind]] for name, kind, _ in wanted.columns}
    fields = {field.name: field.field_type for field in transaction.table_metadata.schema().fields}
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in fields.keys() - {n for n in types if fields.get(n) == types[n]}:
            update.delete_column(name)
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name, _, comment in wanted.columns:
            if fields.get(name) != types[name]:
                update.add_column(name, types[name], comment or None)
    with transaction.update_schema() as update:
        for name in reversed(types):
            update.move_first(name)
