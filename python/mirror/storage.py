"""Keep a mirror's files in a folder or in an S3 bucket; each is written whole or not at all."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from config import Settings
from errors import SettingsError
from runner.files import BLOCK_BYTES, replace_atomically, sha256, sync
from runner.signals import scratch_folder


def ignore(_: str) -> None: ...


class Store(Protocol):
    """Files under one root; each is put whole or not at all. Names have / between their parts."""

    place: str  # for messages: no password in it
    folder: Path  # on this machine, where data files are made
    on_write: Callable[[str], None]  # called before each write: a sign of life

    def read(self, name: str) -> bytes | None: ...
    def put(self, name: str, data: bytes, is_new: bool = False) -> None:
        """Write a file; with `is_new` never over another. Raises FileExistsError."""

    def take(self, path: Path, name: str) -> None:
        """Bring a finished file of `folder` to its name."""

    def open(self, name: str) -> Any:
        """Open a file for pyarrow.parquet."""

    def list(self, name: str) -> dict[str, int]:
        """Return the files below a folder -> their sizes; empty if there is none."""

    def remove(self, names: Iterable[str]) -> None: ...


class Folder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.place = root, root, str(root)
        self.on_write: Callable[[str], None] = ignore

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes, is_new: bool = False) -> None:
        self.on_write(name)
        path = self.root / name
        with replace_atomically(path) as temporary:
            temporary.write_bytes(data)
            if is_new:
                sync(temporary)
                os.link(temporary, path)

    def take(self, path: Path, name: str) -> None:
        self.on_write(name)
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        sync(path)
        path.rename(target)
        sync(target.parent)

    def open(self, name: str) -> Any:
        return self.root / name

    def list(self, name: str) -> dict[str, int]:
        paths = [path for path in (self.root / name).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.stat().st_size for path in paths}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.on_write(name)
            (self.root / name).unlink(missing_ok=True)


class Bucket:
    """A prefix of an S3 bucket; keys come from the environment, as the cloud's own tools do it."""

    def __init__(self, url: str, settings: Settings, folder: Path) -> None:
        from pyarrow import fs

        parts = urlsplit(url)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if unknown := set(given) - {"endpoint_override", "scheme", "region"}:
            raise SettingsError(f"MIRROR_URL has options that are not known: {sorted(unknown)}")
        if parts.username:
            given["access_key"] = unquote(parts.username)
            given["secret_key"] = unquote(parts.password or "")
        self.fs = fs.S3FileSystem(
            **given,
            connect_timeout=settings.http_timeout_s,
            request_timeout=settings.http_timeout_s,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=settings.http_retries + 1),
        )
        bucket = parts.netloc.rpartition("@")[2]
        self.root = f"{bucket}{parts.path}".rstrip("/")
        self.folder, self.place = folder, f"s3://{self.root}"
        self.options = {"AWS_ALLOW_HTTP": "true"} if given.get("scheme") == "http" else {}
        endpoint = f"{given.get('scheme', 'https')}://{given.get('endpoint_override')}"
        self.options |= {"AWS_ENDPOINT_URL": endpoint} if "endpoint_override" in given else {}
        names = {
            "access_key": "AWS_ACCESS_KEY_ID",
            "secret_key": "AWS_SECRET_ACCESS_KEY",
            "region": "AWS_REGION",
        }
        self.options |= {name: given[key] for key, name in names.items() if key in given}
        self.on_write: Callable[[str], None] = ignore

    def read(self, name: str) -> bytes | None:
        try:
            with self.fs.open_input_stream(f"{self.root}/{name}", compression=None) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes, is_new: bool = False) -> None:
        self.on_write(name)
        if is_new and self.fs.get_file_info(f"{self.root}/{name}").size is not None:
            raise FileExistsError(name)
        with self.fs.open_output_stream(f"{self.root}/{name}", compression=None) as file:
            file.write(data)

    def take(self, path: Path, name: str) -> None:
        with (
            open(path, "rb") as source,
            self.fs.open_output_stream(f"{self.root}/{name}", compression=None) as file,
        ):
            self.on_write(name)
            while block := source.read(BLOCK_BYTES):
                file.write(block)
        digest = hashlib.sha256()
        with self.fs.open_input_stream(f"{self.root}/{name}", compression=None) as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        if digest.hexdigest() != sha256(path):
            raise OSError(f"{name} is not in the bucket as it was sent")
        path.unlink()

    def open(self, name: str) -> Any:
        return self.fs.open_input_file(f"{self.root}/{name}")

    def list(self, name: str) -> dict[str, int]:
        from pyarrow import fs

        chosen = fs.FileSelector(f"{self.root}/{name}", recursive=True, allow_not_found=True)
        found = [info for info in self.fs.get_file_info(chosen) if info.type == fs.FileType.File]
        return {info.path[len(self.root) + 1 :]: info.size for info in found}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.on_write(name)
            self.fs.delete_file(f"{self.root}/{name}")


@contextmanager
def open_store(url: str, settings: Settings) -> Iterator[Store]:
    """Open the root of a mirror in a lake format: delta:///path, iceberg:///path or s3://."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        with scratch_folder("mirror-", settings.data_dir) as folder:
            yield Bucket(url, settings, folder)
        return
    root = Path(unquote(parts.path))
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(".*.tmp"):  # of a run that died
        leftover.unlink()
    yield Folder(root)
