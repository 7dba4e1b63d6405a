"""Open a delivered file, plain, gzip or zip, as a stream of its text's bytes."""

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from errors import Refused
from runner.files import BLOCK_BYTES, DIGEST_BYTES, sha256

# What the first bytes say: they count more than the name.
MAGIC = (
    (b"PK\x03\x04", "zip", "a ZIP archive"),
    (b"\x1f\x8b", "gz", "gzip-compressed"),
    (b"PAR1", "parquet", "a Parquet file"),
    (b"%PDF", "pdf", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "workbook", "a spreadsheet's workbook"),
    (b"BZh", "bz2", "bzip2-compressed"),
    (b"\x28\xb5\x2f\xfd", "zst", "zstd-compressed"),
    (b"7z\xbc\xaf", "7z", "a 7-Zip archive"),
)
MARKUP = re.compile(rb"\s*<(!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
EXPECTED = {"csv": "CSV text", "gz": "a gzip file", "zip": "a ZIP archive with one CSV file"}
ZLIB_ERRORS = (zlib.error, NotImplementedError, RuntimeError)  # also: encrypted, odd methods


@dataclass
class SourceFile:
    """The delivered file on this machine, and what the remote side says of it."""

    path: Path
    name: str
    etag: str | None = None
    last_modified: str | None = None
    sha256: str | None = None  # promised by a .sha256 file next to it
    digest: str | None = None  # its own, once computed
    digested: os.stat_result | None = None  # the file's state at that time
    source: str = ""  # where it came from, as it may be recorded
    url_sha256: str | None = None  # of the whole URL, with user and query
    is_unmodified: bool = False  # the remote side says so; nothing was downloaded

    @property
    def is_download(self) -> bool:
        return "://" in self.source and not self.source.lower().startswith("file:")


def check_digest(delivery: SourceFile) -> None:
    """Raise Refused if the file does not match its .sha256 file."""
    if delivery.sha256 and delivery.sha256 != source_digest(delivery):
        raise Refused(
            f"{delivery.name} has SHA-256 {source_digest(delivery)[:12]}..., its .sha256 file "
            f"promises {delivery.sha256[:12]}...: it was damaged or cut on the way"
        )


def source_digest(delivery: SourceFile, block_bytes: int = DIGEST_BYTES) -> str:
    """Return the SHA-256 of the delivered bytes, computed once.

    `open_source` checks that the file did not change since. Another thread at work delays each
    block: then a few large blocks are better.
    """
    if not delivery.digest:
        delivery.digested = delivery.path.stat()
        delivery.digest = sha256(delivery.path, block_bytes)
    return delivery.digest


@contextmanager
def open_source(delivery: SourceFile, max_bytes: int) -> "Iterator[SizeLimitedReader]":
    """Give the text's bytes, decompressed. Raises Refused if they are not what the name says."""
    path, name = delivery.path, delivery.name.lower()
    with open(path, "rb", buffering=0) as file:
        before = delivery.digested or os.fstat(file.fileno())
        start = file.read(4096)
        file.seek(0)
        kind = next(
            ((short, words) for magic, short, words in MAGIC if start.startswith(magic)), None
        )
        named = "gz" if name.endswith(".gz") else "zip" if name.endswith(".zip") else "csv"
        if kind and kind[0] == "zip" and (name.endswith(".xlsx") or is_workbook(path)):
            kind = "workbook", "a spreadsheet's workbook"
        if delivery.is_download:  # nobody can rename a URL: its bytes decide
            named = kind[0] if kind and kind[0] in EXPECTED else "csv"
        if kind and kind[0] != named:
            hint = f" Rename it to end in .{kind[0]}." if kind[0] in EXPECTED else ""
            if kind[0] == "workbook":
                hint = ' Save it as "CSV UTF-8" in the spreadsheet program.'
            raise Refused(f"{delivery.name} is {kind[1]}, expected {EXPECTED[named]}.{hint}")
        if not kind and named != "csv":
            raise Refused(f"{delivery.name} is not {EXPECTED[named]}, though its name says so")
        if MARKUP.match(start):
            title = re.search(rb"<title>([^<]{1,80})", start, re.IGNORECASE)
            about = f" ({title[1].decode('utf-8', 'replace').strip()!r})" if title else ""
            raise Refused(f"{delivery.name} is an HTML or XML page{about}, not a CSV file")
        with name_damage(delivery.name):
            stream: Any = file
            if named == "gz":
                stream = gzip.GzipFile(fileobj=io.BufferedReader(file))
            elif named == "zip":
                archive = zipfile.ZipFile(file)
                stream = archive.open(find_csv_member(archive))

        def read(count: int) -> bytes:
            with name_damage(delivery.name):
                return stream.read(count)

        yield SizeLimitedReader(read, max_bytes)
        check_unmodified(path, before)


@contextmanager
def name_damage(name: str) -> Iterator[None]:
    """Raise Refused for any error of the block, which only unpacks."""
    try:
        yield
    except (EOFError, zipfile.BadZipFile, gzip.BadGzipFile, *ZLIB_ERRORS) as error:
        raise Refused(f"{name} is damaged or was cut: {error}") from None


def is_workbook(path: Path) -> bool:
    """Return whether a ZIP archive is a workbook of Excel or an OpenDocument spreadsheet."""
    with suppress(zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        return "[Content_Types].xml" in names or {"mimetype", "content.xml"}.issubset(names)
    return False


def find_csv_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one CSV file of a ZIP archive; it is read as a stream, its path is never used."""
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(".csv")
        and not member.filename.startswith("__MACOSX/")
        and not member.filename.rpartition("/")[2].startswith("._")  # metadata that a Mac adds
    ]
    if len(members) != 1:
        raise Refused(f"the ZIP archive holds {len(members)} CSV files, expected one")
    return members[0]


def parse_sha256_file(text: str | None, name: str) -> str | None:
    """Return the digest in a .sha256 file, as sha256sum writes it; None if there is no file."""
    if text is None:
        return None
    match = re.match(r"\s*\\?([0-9a-fA-F]{64})\b", text)
    if not match:
        raise Refused(f"{name} holds no SHA-256. Fix or remove it.")
    return match[1].lower()


def check_unmodified(path: Path, before: os.stat_result) -> None:
    """Raise Refused if the file changed since `before` was taken, even if its time did not."""
    after = path.stat()
    if (after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino) != (
        before.st_size,
        before.st_mtime_ns,
        before.st_ctime_ns,
        before.st_ino,
    ):
        raise Refused(
            f"{path} is still being written ({before.st_size:,} -> {after.st_size:,} bytes). "
            "Run the step again when the delivery is complete."
        )


class SizeLimitedReader:
    """A stream that raises Refused beyond `max_bytes`: no zip bomb fills the disk."""

    def __init__(self, source: Callable[[int], bytes], max_bytes: int):
        self.source, self.max_bytes, self.left = source, max_bytes, max_bytes

    def read(self, count: int = BLOCK_BYTES) -> bytes:
        block = self.source(count)
        self.left -= len(block)
        if self.left < 0:
            raise Refused(
                f"the file is larger than MAX_FILE_SIZE ({self.max_bytes:,} bytes). "
                "Raise the setting if such a file is right."
            )
        return block


Readable = BinaryIO | SizeLimitedReader
