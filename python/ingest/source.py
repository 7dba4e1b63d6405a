"""Fetch the catalogue file from a path, http(s), s3 or gs.

The rest of the pipeline sees a complete local file, or an error.
"""

import hashlib
import os
import stat
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from config import Settings
from errors import NotReady, Refused
from ingest.manifest import Batch, read_batches
from ingest.source_file import SourceFile, check_unmodified, parse_sha256_file
from runner.console import printable

YOUNG_S, SETTLE_S = 2.0, 0.5  # a file changed in the last 2 s is checked again after 0.5 s


def require_source(settings: Settings) -> None:
    """Raise NotReady if NETFLIX_CSV names no file and none is at the default path."""
    if not settings.netflix_csv and not settings.default_csv.exists():
        raise NotReady(
            f"no input file: {settings.source} does not exist, and NETFLIX_CSV is not set. Name "
            "the file in .env: NETFLIX_CSV=... (or try made-up data: `make sample`)"
        )


def fetch_source(settings: Settings, folder: Path, newest: Batch | None = None) -> SourceFile:
    """Get the source; download a remote one into `folder` unless it is the newest snapshot.

    Raises Refused if there is no such file, or if it did not arrive complete.
    """
    require_source(settings)
    source = settings.source
    scheme = source.partition("://")[0].lower() if "://" in source else "file"
    digest = None if scheme == "file" else hashlib.sha256(os.fsencode(source)).hexdigest()
    etag = modified = None  # sent for the same URL only, and not to file the same under a new time
    times = (None, newest.snapshot_at) if newest else ()
    if newest and newest.url_sha256 == digest and settings.snapshot_at in times:
        etag, modified = newest.etag, newest.last_modified
    if scheme == "file":
        path = unquote(urlsplit(source).path) if "://" in source else source
        delivery = find_local_file(Path(path))
    elif scheme in ("http", "https"):
        from ingest.remote import fetch_http

        delivery = fetch_http(source, settings, folder, etag, modified)
    elif scheme in ("s3", "gs"):
        from ingest.remote import fetch_object

        delivery = fetch_object(source, settings, folder, etag)
    else:
        raise Refused(f"NETFLIX_CSV is a {scheme}:// URL, which is not supported; see .env.example")
    delivery.source, delivery.url_sha256 = recorded_source(source), digest
    return delivery


def may_make_sample(settings: Settings) -> bool:
    """Return whether there is no source, and no sign that there ever was a real one.

    A warehouse without a snapshot is such a sign: it has the record of a file that was refused.
    """
    if settings.netflix_csv or settings.default_csv.exists() or not settings.allow_sample:
        return False
    from warehouse.database import has_warehouse

    batches = read_batches(settings)
    return all(batch.sample for batch in batches) if batches else not has_warehouse(settings)


def find_local_file(path: Path) -> SourceFile:
    if path.is_dir():
        raise Refused(f"{path} is a folder, expected a file")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block, and can be read only once
            raise Refused(f"{path} is not a regular file")
        if 0 <= time.time() - status.st_mtime < YOUNG_S:
            time.sleep(SETTLE_S)
            check_unmodified(path, status)
    except FileNotFoundError:
        raise Refused(
            f"no input file at {path}. Put the catalogue there, set "
            "NETFLIX_CSV to where it is, or run `make sample` for made-up data."
        ) from None
    except PermissionError as error:
        raise Refused(f"{path} cannot be read ({error.strerror})") from None
    promise = path.with_name(path.name + ".sha256")
    text = promise.read_text(errors="replace") if promise.is_file() else None
    name = os.fsencode(path.name).decode(errors="replace")  # a file name need not be text
    return SourceFile(path, printable(name), sha256=parse_sha256_file(text, promise.name))


def recorded_source(source: str) -> str:
    """Return the source without user, password and query, so that it may be recorded."""
    if "://" not in source:
        return os.fsencode(Path(source).name).decode(errors="replace")  # a name need not be text
    from runner.redact import strip_credentials

    return strip_credentials(source)
