"""Remote sources: http(s) by the standard library, s3 and gs by pyarrow's filesystems.

A file is downloaded whole into a temporary folder or not at all; an unchanged one costs one
request.
"""

import base64
import http.client
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from config import Settings
from delivery import Delivery, Limited, promised
from errors import Refused
from files import BLOCK_BYTES
from steps import printable

SECRET_LENGTH = 3  # what is shorter is no secret, but a part of many words
SIGNS = r"[:@/?#&=;]"  # where a URL is taken apart
WAIT_S = 0.5  # before the first retry; doubled for each further one


def fetch_http(
    url: str, settings: Settings, folder: Path, etag: str | None, modified: str | None
) -> Delivery:
    """Download `url`, conditionally where `etag` or `modified` are known.

    Server errors, time-outs and cut bodies are tried again; a 4xx answer is not.
    """
    condition = {}
    if etag:
        condition = {"If-None-Match": etag}
    elif modified:
        condition = {"If-Modified-Since": modified}
    name = printable(unquote(without_secrets(url)).rpartition("/")[2]) or "download.csv"
    problem = ""
    for attempt in range(settings.http_retries + 1):
        if attempt:
            time.sleep(WAIT_S * 2 ** (attempt - 1))
        try:
            with asked(url, settings, condition) as response:
                path = save(response, folder / "download", settings)
                answer = response.headers
            beside = digest_beside(url, settings)
            return Delivery(path, name, answer["ETag"], answer["Last-Modified"], beside)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304 and condition:
                return Delivery(None, name, etag, modified)
            problem = f"the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
    raise Refused(
        f"{without_secrets(url)} could not be fetched after {attempt + 1} attempt(s): "
        f"{hidden(problem, url)}; nothing was changed. The next run tries again."
    )


def asked(url: str, settings: Settings, headers: dict[str, str]) -> http.client.HTTPResponse:
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


def save(response: http.client.HTTPResponse, path: Path, settings: Settings) -> Path:
    """Write the body to `path`; a total time limit keeps a dripping server from holding the run."""
    deadline = time.monotonic() + max(settings.http_timeout_s, settings.max_file_size / 500_000)
    expected = response.headers["Content-Length"]
    body, size = Limited(response.read1, settings.max_file_size), 0  # read1: a drip comes through
    with open(path, "wb") as file:
        while block := body.read(BLOCK_BYTES):
            size += file.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError("the body came too slowly")
    if expected and size != int(expected):
        raise http.client.IncompleteRead(b"", int(expected) - size)
    return path


def digest_beside(url: str, settings: Settings) -> str | None:
    """The digest that <url>.sha256 promises, where there is one."""
    parts = urlsplit(url)
    beside = urlunsplit(parts._replace(path=parts.path + ".sha256"))
    try:
        with asked(beside, settings, {}) as response:
            return promised(response.read(1024).decode("utf-8", "replace"), f"{parts.path}.sha256")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404, 405, 410):
            return None
        raise


def taken_apart(url: str) -> tuple[str, str, str, str]:
    """Scheme, user and password, host and path, query and fragment; any text will do.

    Where the part before a bare / ? or # is no host with a port, that sign is one of the password,
    which then ends at the last @.
    """
    scheme, _, rest = url.partition("://")
    user = re.match(r"(?s)[^/?#@\[]*:(?!\d+[/?#])[^/?#@]*[/?#].*@|[^/?#]*@|", rest)[0]
    address, tail = re.match(r"(?s)([^?#]*)(.*)", rest[len(user) :]).groups()
    return scheme, user, address, tail


def without_secrets(url: str) -> str:
    """The URL without user, password, query and fragment, where keys are."""
    scheme, _, address, _ = taken_apart(url)
    return f"{scheme}://{address}"


def hidden(text: str, url: str) -> str:
    """An error's text without what `without_secrets` leaves out, nor a part of it: a library
    quotes a URL whole, cut at some sign, decoded, or as Python writes it.
    """
    _, user, _, tail = taken_apart(url)
    pieces = {user, tail, *re.split(SIGNS, user + tail)}
    forms = {form for part in pieces for form in (part, unquote(part), repr(part)[1:-1])}
    parts = forms | {part for form in forms for part in re.split(SIGNS, form)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SECRET_LENGTH:
            text = text.replace(part, "***")
    return text


def fetch_object(uri: str, settings: Settings, folder: Path, etag: str | None) -> Delivery:
    """Download an object of S3 or Google Cloud Storage.

    Keys come from the environment as the cloud's own tools read them; a test server is named in
    the URI (?endpoint_override=...&scheme=http). Size and time of the object serve as its ETag.
    """
    from pyarrow import fs

    try:
        filesystem, key = fs.FileSystem.from_uri(uri)
        info = filesystem.get_file_info(key)
        if info.type != fs.FileType.File:
            raise Refused(f"{without_secrets(uri)} does not exist; nothing was changed")
        tag = f"{info.size}-{info.mtime_ns}"
        name = printable(Path(key).name)
        if tag == etag:
            return Delivery(None, name, tag)
        if info.size > settings.max_file_size:
            raise Refused(f"{without_secrets(uri)} has {info.size:,} bytes, over MAX_FILE_SIZE")
        path = folder / "download"
        with (
            filesystem.open_input_stream(key, compression=None) as source,
            open(path, "wb") as file,
        ):
            while block := source.read(BLOCK_BYTES):
                file.write(block)
        if path.stat().st_size != info.size:
            raise Refused(f"{without_secrets(uri)} was cut on the way; the next run tries again")
        beside = filesystem.get_file_info(key + ".sha256")
        text = None
        if beside.type == fs.FileType.File:
            with filesystem.open_input_stream(key + ".sha256", compression=None) as source:
                text = source.read(1024).decode("utf-8", "replace")
        return Delivery(path, name, tag, sha256=promised(text, f"{name}.sha256"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"{without_secrets(uri)} could not be fetched: "
            f"{hidden(str(error).splitlines()[0], uri)}; nothing was changed. "
            "The next run tries again."
        ) from None
