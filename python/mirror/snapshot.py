"""Make an Iceberg snapshot that adds rows and deletes others without rewriting a data file.

PyIceberg cannot write delete files yet (0.12.0): it would rewrite every data file that holds an
ended row, which are all of them. So a snapshot is made from its parts: a data file with the new
rows, and a file of the positions of those that ended. Every reader of format version 2 knows those.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    POSITIONAL_DELETE_SCHEMA,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
)
from pyiceberg.table.snapshots import Summary
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record

from runner.files import sync


class DeleteManifest(ManifestWriterV2):
    """A manifest of files of positions that are deleted."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return super()._meta | {"content": "deletes"}


class MirrorSnapshot(_FastAppendFiles):
    """A snapshot with a data file and a file of deleted positions, or in place of all before."""

    is_whole = False
    deletes: DataFile | None = None

    def _existing_manifests(self) -> list[Any]:
        return [] if self.is_whole else super()._existing_manifests()

    def _manifests(self) -> list[Any]:
        manifests = super()._manifests()
        if self.deletes:
            table = self._transaction.table_metadata
            with DeleteManifest(
                table.spec(),
                self.schema(),
                self.new_manifest_output(),
                self._snapshot_id,
                self._compression,
            ) as writer:
                writer.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=self._snapshot_id,
                        sequence_number=None,
                        file_sequence_number=None,
                        data_file=self.deletes,
                    )
                )
            manifests.append(writer.to_manifest_file())
        return manifests

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        before = None if self.is_whole else self._transaction.table_metadata.current_snapshot()
        old = before.summary if before and before.summary else {}
        new = {"data-files": 0, "delete-files": 0, "records": 0, "files-size": 0}
        new |= {"position-deletes": 0, "equality-deletes": 0}
        for file in self._added_data_files:
            new["data-files"] += 1
            new["records"] += file.record_count
            new["files-size"] += file.file_size_in_bytes
        if self.deletes:
            new["delete-files"] += 1
            new["position-deletes"] += self.deletes.record_count
            new["files-size"] += self.deletes.file_size_in_bytes
        added = {f"added-{name}": str(number) for name, number in new.items() if number}
        totals = {
            f"total-{name}": str(number + int(old.get(f"total-{name}") or 0))
            for name, number in new.items()
        }
        return Summary(self._operation, **added, **totals, **(snapshot_properties or {}))


def write_deletes(path: Path, places: dict[str, list[int]]) -> DataFile:
    """Write which rows of which files are dead, sorted by both, as the format wants it."""
    table = pa.table(
        [
            pa.array([file for file in sorted(places) for _ in places[file]], pa.string()),
            pa.array([row for file in sorted(places) for row in places[file]], pa.int64()),
        ],
        schema=pa.schema(
            [
                pa.field(field.name, kind, False, {"PARQUET:field_id": str(field.field_id)})
                for field, kind in zip(
                    POSITIONAL_DELETE_SCHEMA.fields, (pa.string(), pa.int64()), strict=True
                )
            ]
        ),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    sync(path)
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=table.num_rows,
        file_size_in_bytes=path.stat().st_size,
    )
    file.spec_id = 0
    return file


def files_of(snapshot: Any, io: Any) -> set[str]:
    """Return all files that a snapshot needs."""
    needed = {snapshot.manifest_list}
    for manifest in snapshot.manifests(io):
        needed.add(manifest.manifest_path)
        entries = manifest.fetch_manifest_entry(io, discard_deleted=True)
        needed |= {entry.data_file.file_path for entry in entries}
    return needed
