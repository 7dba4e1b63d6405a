"""Fetch remote sources: http(s) by the standard library, s3 and gs by pyarrow's filesystems.

A file is downloaded completely or not at all; an unchanged one costs one request.
"""

import base64
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit, urlunsplit

from config import Settings
from errors import Refused
from ingest.source_file import SizeLimitedReader, SourceFile, parse_sha256_file
from runner import signals
from runner.console import printable
from runner.files import BLOCK_BYTES
from runner.redact import redact, strip_credentials

WAIT_S = 0.5  # before the first retry; doubled for each further one
MIN_BYTES_PER_S = 50_000  # a file that arrives slower, on average, is given up
LONGEST_S = 2 * 3600  # for a file of any size


@dataclass
class Deadline:
    """When a fetch is given up: the later, the more bytes have arrived."""

    seconds: float  # before the first byte of the file
    start: float = field(default_factory=time.monotonic)
    received: int = 0  # bytes of the file, of all attempts

    def left(self) -> float:
        """Return the seconds left. Raises TimeoutError if there are none."""
        allowed = min(self.seconds + self.received / MIN_BYTES_PER_S, LONGEST_S)
        if (left := self.start + allowed - time.monotonic()) <= 0:
            raise TimeoutError("the answer came too slowly")
        return left


def make_deadline(settings: Settings) -> Deadline:
    """Return the deadline of a fetch with all its attempts, each after a second's wait."""
    return Deadline((settings.http_retries + 1) * (settings.http_timeout_s + 1))


def run_until(deadline: Deadline, work: Callable[[], SourceFile | None]) -> SourceFile | None:
    """Return what `work` returns. Raises TimeoutError at the deadline.

    It runs in a thread, which is then abandoned: no library limits the lookup of a host name, or a
    header that arrives byte by byte.
    """
    done: Future[SourceFile | None] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    while not done.done():
        wait([done], deadline.left())
    return done.result()


def fetch_http(
    url: str, settings: Settings, folder: Path, etag: str | None, modified: str | None
) -> SourceFile:
    """Download `url`, conditionally if `etag` or `modified` is known, within one deadline.

    Only a 200 with a complete body is a file. Server errors, time-outs and cut bodies are retried;
    other answers are not. Raises Refused if all attempts fail.
    """
    condition = {}
    if etag:
        condition = {"If-None-Match": etag}
    elif modified:
        condition = {"If-Modified-Since": modified}
    problems: list[str] = []
    deadline = make_deadline(settings)
    try:
        if delivery := run_until(
            deadline, lambda: try_to_fetch(url, settings, folder, condition, deadline, problems)
        ):
            return delivery
    except TimeoutError as error:
        problems.append(f"TimeoutError: {error}")
    raise Refused(
        f"{strip_credentials(url)} could not be fetched after {len(problems)} attempt(s): "
        f"{redact(problems[-1], url)}. The next run tries again."
    )


def try_to_fetch(
    url: str,
    settings: Settings,
    folder: Path,
    condition: dict[str, str],
    deadline: Deadline,
    problems: list[str],
) -> SourceFile | None:
    """Fetch the file and its promised digest; None if that fails, and `problems` says why."""
    name = printable(unquote(strip_credentials(url)).rpartition("/")[2]) or "download.csv"
    for attempt in range(settings.http_retries + 1):
        if attempt:
            time.sleep(min(WAIT_S * 2 ** (attempt - 1), deadline.left()))
        try:
            request = build_request(url, condition)
            with open_request(request, settings) as response:
                is_sized = response.chunked or response.length is not None
                path = save_body(response, folder / "download", settings, deadline)
                answer = response.headers
            promise = fetch_promised_digest(url, settings)
            if not is_sized and not promise:
                problems.append(
                    "the server does not say how long the file is, so it may be cut; it must send "
                    "Content-Length, or have the file's SHA-256 next to it in a .sha256 file"
                )
                return None
            return SourceFile(path, name, answer["ETag"], answer["Last-Modified"], promise)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304 and condition and error.geturl() == request.full_url:
                return SourceFile(folder / "download", name, is_unmodified=True)
            problems.append(f"the server answers {error.code} {error.reason}")
            if error.code < 500 and error.code not in (408, 429):
                return None
        except (OSError, http.client.HTTPException, ValueError) as error:
            problems.append(f"{type(error).__name__}: {getattr(error, 'reason', None) or error}")
    return None


def build_request(url: str, condition: dict[str, str]) -> urllib.request.Request:
    """Build a request whose password and condition do not follow a redirect."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        urlunsplit(parts._replace(netloc=host, fragment="")),
        headers={"User-Agent": "netflix-elt-pipeline", "Accept-Encoding": "identity"},
    )
    if user:
        key = base64.b64encode(unquote(user).encode()).decode()
        condition = condition | {"Authorization": f"Basic {key}"}
    for name, value in condition.items():
        request.add_unredirected_header(name, value)
    return request


def open_request(request: urllib.request.Request, settings: Settings) -> http.client.HTTPResponse:
    """Send a request. Raises HTTPError for any answer but 200: a 206 is only part of a file."""
    response = urllib.request.urlopen(request, timeout=settings.http_timeout_s)
    if response.status != 200:
        answer = response.status, response.reason, response.headers
        raise urllib.error.HTTPError(response.url, *answer, response)
    return response


def save_body(
    response: http.client.HTTPResponse, path: Path, settings: Settings, deadline: Deadline
) -> Path:
    """Write the body to `path`. Raises IncompleteRead if it is not as long as the server says."""
    expected, size = response.length, 0
    body = SizeLimitedReader(response.read1, settings.max_file_size)  # read1 gives what has arrived
    with open(path, "wb") as file:
        while size != expected and (block := body.read(BLOCK_BYTES)):
            size += file.write(block)
            deadline.received += len(block)
            deadline.left()
    if expected is not None and size != expected:
        raise http.client.IncompleteRead(b"", expected - size)
    return path


def fetch_promised_digest(url: str, settings: Settings) -> str | None:
    """Return the digest that <url>.sha256 promises; None if there is no such file."""
    parts = urlsplit(url)
    promise = urlunsplit(parts._replace(path=parts.path + ".sha256"))
    try:
        with open_request(build_request(promise, {}), settings) as response:
            return parse_sha256_file(
                response.read(1024).decode("utf-8", "replace"), f"{parts.path}.sha256"
            )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404, 405, 410):
            return None
        raise


def fetch_object(uri: str, settings: Settings, folder: Path, etag: str | None) -> SourceFile:
    """Download an object of S3 or Google Cloud Storage, within one deadline.

    Keys come from the environment, as for the cloud's own tools; a test server is named in the URI
    (?endpoint_override=...&scheme=http). Size and time of the object serve as its ETag.
    """
    deadline, path = make_deadline(settings), folder / "download"

    def check(_: float) -> None:
        deadline.received = path.stat().st_size if path.exists() else 0
        deadline.left()

    try:
        return signals.run_in_child(lambda _: download_object(uri, settings, path, etag), check)
    except (OSError, ValueError, EOFError) as error:  # EOFError: the child was killed
        raise Refused(
            f"{strip_credentials(uri)} could not be fetched: "
            f"{redact(str(error).splitlines()[0], uri)}. The next run tries again."
        ) from None


def download_object(uri: str, settings: Settings, path: Path, etag: str | None) -> SourceFile:
    from pyarrow import fs

    filesystem, key = fs.FileSystem.from_uri(uri)
    info = filesystem.get_file_info(key)
    if info.type != fs.FileType.File:
        raise Refused(f"{strip_credentials(uri)} does not exist")
    tag = f"{info.size}-{info.mtime_ns}"
    name = printable(Path(key).name)
    if tag == etag:
        return SourceFile(path, name, tag, is_unmodified=True)
    if info.size > settings.max_file_size:
        raise Refused(f"{strip_credentials(uri)} has {info.size:,} bytes, over MAX_FILE_SIZE")
    with filesystem.open_input_stream(key, compression=None) as source, open(path, "wb") as file:
        while block := source.read(BLOCK_BYTES):
            file.write(block)
    if path.stat().st_size != info.size:
        raise Refused(f"{strip_credentials(uri)} was cut on the way; the next run tries again")
    promise = filesystem.get_file_info(key + ".sha256")
    text = None
    if promise.type == fs.FileType.File:
        with filesystem.open_input_stream(key + ".sha256", compression=None) as source:
            text = source.read(1024).decode("utf-8", "replace")
    return SourceFile(path, name, tag, sha256=parse_sha256_file(text, f"{name}.sha256"))
