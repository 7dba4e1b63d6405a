"""Remote sources: http(s) by the standard library, s3 and gs by pyarrow's filesystems.

A file is downloaded whole into a temporary folder or not at all; an unchanged one costs one
request.
"""

import base64
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from config import Settings
from errors import Refused
from ingest.source_file import SizeLimitedReader, SourceFile, parse_sha256_file
from runner.console import printable
from runner.files import BLOCK_BYTES
from runner.redact import redact, strip_credentials

WAIT_S = 0.5  # before the first retry; doubled for each further one


def fetch_http(
    url: str, settings: Settings, folder: Path, etag: str | None, modified: str | None
) -> SourceFile:
    """Download `url`, conditionally where `etag` or `modified` are known.

    Server errors, time-outs and cut bodies are tried again; a 4xx answer is not.
    """
    condition = {}
    if etag:
        condition = {"If-None-Match": etag}
    elif modified:
        condition = {"If-Modified-Since": modified}
    name = printable(unquote(strip_credentials(url)).rpartition("/")[2]) or "download.csv"
    problem = ""
    for attempt in range(settings.http_retries + 1):
        if attempt:
            time.sleep(WAIT_S * 2 ** (attempt - 1))
        try:
            with open_url(url, settings, condition) as response:
                path = save_body(response, folder / "download", settings)
                answer = response.headers
            beside = fetch_promised_digest(url, settings)
            return SourceFile(path, name, answer["ETag"], answer["Last-Modified"], beside)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304 and condition:
                return SourceFile(None, name, etag, modified)
            problem = f"the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
    raise Refused(
        f"{strip_credentials(url)} could not be fetched after {attempt + 1} attempt(s): "
        f"{redact(problem, url)}; nothing was changed. The next run tries again."
    )


def open_url(url: str, settings: Settings, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Send a request; user and password go as basic authentication, to this host only."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        urlunsplit(parts._replace(netloc=host, fragment="")),
        headers={"User-Agent": "netflix-elt-pipeline", "Accept-Encoding": "identity"} | headers,
    )
    if user:
        key = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {key}")
    return urllib.request.urlopen(request, timeout=settings.http_timeout_s)


def save_body(response: http.client.HTTPResponse, path: Path, settings: Settings) -> Path:
    """Write the body to `path`; a total time limit keeps a dripping server from holding the run."""
    deadline = time.monotonic() + max(settings.http_timeout_s, settings.max_file_size / 500_000)
    expected = response.headers["Content-Length"]
    body, size = (
        SizeLimitedReader(response.read1, settings.max_file_size),
        0,
    )  # read1: a drip comes through
    with open(path, "wb") as file:
        while block := body.read(BLOCK_BYTES):
            size += file.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError("the body came too slowly")
    if expected and size != int(expected):
        raise http.client.IncompleteRead(b"", int(expected) - size)
    return path


def fetch_promised_digest(url: str, settings: Settings) -> str | None:
    """The digest that <url>.sha256 promises, where there is one."""
    parts = urlsplit(url)
    beside = urlunsplit(parts._replace(path=parts.path + ".sha256"))
    try:
        with open_url(beside, settings, {}) as response:
            return parse_sha256_file(
                response.read(1024).decode("utf-8", "replace"), f"{parts.path}.sha256"
            )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404, 405, 410):
            return None
        raise


def fetch_object(uri: str, settings: Settings, folder: Path, etag: str | None) -> SourceFile:
    """Download an object of S3 or Google Cloud Storage.

    Keys come from the environment as the cloud's own tools read them; a test server is named in
    the URI (?endpoint_override=...&scheme=http). Size and time of the object serve as its ETag.
    """
    from pyarrow import fs

    try:
        filesystem, key = fs.FileSystem.from_uri(uri)
        info = filesystem.get_file_info(key)
        if info.type != fs.FileType.File:
            raise Refused(f"{strip_credentials(uri)} does not exist; nothing was changed")
        tag = f"{info.size}-{info.mtime_ns}"
        name = printable(Path(key).name)
        if tag == etag:
            return SourceFile(None, name, tag)
        if info.size > settings.max_file_size:
            raise Refused(f"{strip_credentials(uri)} has {info.size:,} bytes, over MAX_FILE_SIZE")
        path = folder / "download"
        with (
            filesystem.open_input_stream(key, compression=None) as source,
            open(path, "wb") as file,
        ):
            while block := source.read(BLOCK_BYTES):
                file.write(block)
        if path.stat().st_size != info.size:
            raise Refused(f"{strip_credentials(uri)} was cut on the way; the next run tries again")
        beside = filesystem.get_file_info(key + ".sha256")
        text = None
        if beside.type == fs.FileType.File:
            with filesystem.open_input_stream(key + ".sha256", compression=None) as source:
                text = source.read(1024).decode("utf-8", "replace")
        return SourceFile(path, name, tag, sha256=parse_sha256_file(text, f"{name}.sha256"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"{strip_credentials(uri)} could not be fetched: "
            f"{redact(str(error).splitlines()[0], uri)}; nothing was changed. "
            "The next run tries again."
        ) from None
