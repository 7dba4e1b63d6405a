"""Write files completely or not at all; compute their digests."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from runner.signals import at_interrupt

BLOCK_BYTES = 1 << 18
DIGEST_BYTES = 1 << 20


def sha256(path: Path, block_bytes: int = DIGEST_BYTES) -> str:
    """Return a file's SHA-256 in hex; a second thread reads ahead, which saves a sixth."""
    if path.stat().st_size < block_bytes:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest, blocks = hashlib.sha256(), [memoryview(bytearray(block_bytes)) for _ in range(2)]
    with open(path, "rb", buffering=0) as handle, ThreadPoolExecutor(1) as reader:
        count = handle.readinto(blocks[0])
        while count:
            ahead = reader.submit(handle.readinto, blocks[1])
            digest.update(blocks[0][:count])
            count = ahead.result()
            blocks.reverse()
    return digest.hexdigest()


def fingerprint(paths: Iterable[Path], *texts: str) -> str:
    """Return a 16-digit fingerprint of files and texts: if it differs, a result must be rebuilt."""
    digest = hashlib.sha256()
    for part in (*(text.encode() for text in texts), *(path.read_bytes() for path in paths)):
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()[:16]


def sync(path: Path) -> None:
    """Call fsync on a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replace_atomically(target: Path) -> Iterator[Path]:
    """Give a temporary path next to `target`, and rename it to `target` when the block is done.

    The file and its folder are synced, so the content is on disk when the name is. The temporary
    file is removed at the end, and by a signal; step 02 removes what SIGKILL leaves.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")

    def remove(*_: object) -> None:
        temporary.unlink(missing_ok=True)

    with at_interrupt(remove):
        try:
            yield temporary
            sync(temporary)
            os.replace(temporary, target)
            sync(target.parent)
        finally:
            remove()


def parquet_options(rows: int) -> str:
    """Return DuckDB's options for a Parquet file of about so many rows.

    A group of rows is read by one thread, so that even a small file has some, of 2,048 and more.
    """
    return f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {max(2_048, min(rows // 4, 122_880))}"
