"""Sources that are not a plain local file: compressed, over http, in an object store."""

import base64
import gzip
import hashlib
import io
import os
import socket
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from config import load_settings
from ingest import remote, source_file
from ingest.manifest import read_batches
from ingest.source import fetch_source

ROWS = b"show_id,type,title,release_year\n" + b"".join(
    b"s%d,Movie,Title %d,2020\n" % (n, n) for n in range(200)
)
RAW = "02_create_raw_layer"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__DOT__", "."), content)
    return buffer.getvalue()


def local(pipeline, name: str, content: bytes, **settings: str):
    path = pipeline.root / name
    path.write_bytes(content)
    os.utime(path, (0, 0))
    return pipeline.step(RAW, NETFLIX_CSV=str(path), **settings)


def landed(pipeline) -> int:
    latest = pipeline.root / "data/raw/netflix_titles_raw.parquet"
    return duckdb.execute(f"SELECT count(*) FROM '{latest}'").fetchone()[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(ROWS)),
        ("archive.zip", zipped(**{"archive/netflix_titles.csv": ROWS, "__MACOSX/x.csv": b"noise"})),
        ("evil.zip", zipped(**{"../../../evil.csv": ROWS})),
    ],
)
def test_a_compressed_file_lands_like_a_plain_one(pipeline, name, content):
    result = local(pipeline, name, content)
    assert result.returncode == 0, result.stderr
    assert landed(pipeline) == 200
    assert "unchanged" in local(pipeline, name, content).stdout
    assert not list(pipeline.root.parent.glob("evil.csv"))


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("two.zip", zipped(**{"a.csv": ROWS, "b.csv": ROWS}), {}, "holds 2 CSV files"),
        ("none.zip", zipped(**{"a.txt": ROWS}), {}, "holds 0 CSV files"),
        ("cut.csv.gz", gzip.compress(ROWS)[:-20], {}, "damaged or was cut"),
        ("cut.zip", zipped(**{"a.csv": ROWS})[:-30], {}, "damaged or was cut"),
        ("bomb.csv.gz", gzip.compress(ROWS + b"0" * 5_000_000), {"MAX_FILE_SIZE": "1MB"}, "larger"),
        ("bomb.zip", zipped(**{"a.csv": ROWS * 200}), {"MAX_FILE_SIZE": "100KB"}, "larger"),
    ],
)
def test_a_bad_archive_is_refused_and_leaves_nothing(pipeline, name, content, settings, message):
    result = local(pipeline, name, content, **settings)
    assert (result.returncode, message in result.stderr) == (20, True), result.stderr
    assert pipeline.digests() == {}


@pytest.mark.parametrize(
    ("promise", "code"),
    [
        (hashlib.sha256(ROWS).hexdigest() + "  a.csv\n", 0),
        ("0" * 64 + "  a.csv\n", 20),
        ("no digest at all", 20),
    ],
)
def test_a_sha256_file_next_to_the_source_is_checked(pipeline, promise, code):
    (pipeline.root / "a.csv.sha256").write_text(promise)
    result = local(pipeline, "a.csv", ROWS)
    assert result.returncode == code, result.stderr
    assert bool(pipeline.digests()) == (code == 0)


class Server:
    """Answers each request with the next of `answers`: (status, headers, body) or a function."""

    def __init__(self):
        self.answers, self.requests, self.paths = [], [], []  # paths: with those of the digests
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.paths.append(self.path)
                if self.path.split("?")[0].endswith(".sha256") and outer.digest:
                    reply = outer.digest
                    reply(self) if callable(reply) else self.answer(*reply)
                    return
                if self.path.split("?")[0].endswith(".sha256") and not outer.sha256_file:
                    self.send_error(404)
                    return
                if self.path.split("?")[0].endswith(".sha256"):
                    self.answer(200, {}, outer.sha256_file)
                    return
                outer.requests.append(dict(self.headers))
                reply = outer.answers.pop(0)
                reply(self) if callable(reply) else self.answer(*reply)

            def answer(self, status, headers, body):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                return

        self.sha256_file, self.digest = b"", None  # what a .sha256 holds, or another answer for it
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.stop = threading.Event()
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/catalogue.csv"

    def close(self):
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(remote, "WAIT_S", 0.01)
    server = Server()
    yield server
    server.close()


def fetch(pipeline, server, **settings: str):
    return pipeline.step(RAW, NETFLIX_CSV=server.url, **{"HTTP_TIMEOUT_S": "5", **settings})


def test_http_lands_and_an_unchanged_file_costs_one_request(pipeline, server):
    server.answers = [(200, {"ETag": '"v1"'}, ROWS), (304, {}, b"")]
    assert fetch(pipeline, server).returncode == 0
    assert landed(pipeline) == 200
    again = fetch(pipeline, server)
    assert (again.returncode, "unchanged since" in again.stdout) == (0, True)
    assert [r.get("If-None-Match") for r in server.requests] == [None, '"v1"']


def test_http_without_etag_uses_last_modified_and_same_bytes_are_unchanged(pipeline, server):
    stamp = "Wed, 21 Oct 2025 07:28:00 GMT"
    server.answers = [(200, {"Last-Modified": stamp}, ROWS), (200, {}, ROWS)]
    assert fetch(pipeline, server).returncode == 0
    assert "unchanged since" in fetch(pipeline, server).stdout
    assert server.requests[1]["If-Modified-Since"] == stamp


def test_a_server_error_is_tried_again(pipeline, server):
    server.answers = [(500, {}, b"oops"), (503, {}, b""), (200, {}, ROWS)]
    assert fetch(pipeline, server).returncode == 0
    assert len(server.requests) == 3


def test_a_404_is_not_tried_again(pipeline, server):
    server.answers = [(404, {}, b"")]
    result = fetch(pipeline, server)
    assert (result.returncode, "answers 404" in result.stderr) == (20, True)
    assert len(server.requests) == 1
    assert pipeline.digests() == {}


def test_a_cut_body_is_tried_again_and_then_refused(pipeline, server):
    cut = (200, {"Content-Length": str(len(ROWS) + 10)}, ROWS)
    server.answers = [cut, cut]
    result = fetch(pipeline, server, HTTP_RETRIES="1", HTTP_TIMEOUT_S="1")
    assert result.returncode == 20, result.stderr
    assert "after 2 attempt(s)" in result.stderr
    assert pipeline.digests() == {}


def test_a_hanging_server_ends_in_a_time_out(pipeline, server):
    server.answers = [lambda _: server.stop.wait(30)]
    result = fetch(pipeline, server, HTTP_RETRIES="0", HTTP_TIMEOUT_S="1")
    assert (result.returncode, "timed out" in result.stderr) == (20, True), result.stderr


def test_an_endless_body_stops_at_the_size_limit(pipeline, server):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while not server.stop.is_set():
            try:
                handler.wfile.write(ROWS)
            except OSError:
                return

    server.answers = [endless]
    result = fetch(pipeline, server, MAX_FILE_SIZE="1MB")
    assert (result.returncode, "larger than MAX_FILE_SIZE" in result.stderr) == (20, True)
    assert pipeline.digests() == {}


def test_a_wrong_digest_next_to_the_url_is_refused(pipeline, server):
    server.answers, server.sha256_file = [(200, {}, ROWS)], b"0" * 64
    result = fetch(pipeline, server)
    assert (result.returncode, "promises 000000000000" in result.stderr) == (20, True)
    assert pipeline.digests() == {}


def test_an_error_page_over_http_is_refused(pipeline, server):
    server.answers = [(200, {}, b"<html><title>503 Service Unavailable</title></html>")]
    result = fetch(pipeline, server)
    assert (result.returncode, "503 Service Unavailable" in result.stderr) == (20, True)


def test_secrets_in_a_url_are_written_nowhere(pipeline, server):
    secret = "s3cr3t"
    server.answers = [(200, {}, ROWS), (404, {}, b"")]
    url = f"{server.url}?token={secret}"
    for _ in range(2):
        result = pipeline.step(RAW, NETFLIX_CSV=url)
        assert secret not in result.stdout + result.stderr
    for path in pipeline.root.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert not pipeline.query(f"FROM ops_runs WHERE message LIKE '%{secret}%'")


@pytest.fixture(scope="session")
def s3():
    """An S3-compatible server on this machine, with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys
    )
    client.create_bucket(Bucket="drops")
    yield client, f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    client.close()
    server.stop()


KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.mark.slow
def test_s3_lands_once_and_reports_a_missing_object(pipeline, s3, monkeypatch):
    client, query = s3
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    client.put_object(Bucket="drops", Key="in/catalogue.csv", Body=ROWS)
    source = f"s3://drops/in/catalogue.csv?{query}"
    first = pipeline.process(RAW, NETFLIX_CSV=source, **KEYS)
    assert first.returncode == 0, first.stderr
    assert landed(pipeline) == 200
    again = pipeline.process(RAW, NETFLIX_CSV=source, **KEYS)
    assert (again.returncode, "unchanged since" in again.stdout) == (0, True)

    before = pipeline.digests()
    missing = pipeline.process(RAW, NETFLIX_CSV=f"s3://drops/none.csv?{query}", **KEYS)
    assert (missing.returncode, "does not exist" in missing.stderr) == (20, True)
    client.put_object(Bucket="drops", Key="in/catalogue.csv", Body=ROWS + b"s999,Movie,New,2020\n")
    client.put_object(Bucket="drops", Key="in/catalogue.csv.sha256", Body=b"0" * 64)
    wrong = pipeline.process(RAW, NETFLIX_CSV=source, **KEYS)
    assert (wrong.returncode, "promises 000000000000" in wrong.stderr) == (20, True), wrong.stderr
    assert pipeline.digests() == before


def refusal(pipeline, run) -> str:
    """What `run` says on stderr; it must be refused, and nothing in data/ may differ."""
    before = pipeline.digests()
    result = run()
    assert result.returncode == 20, result.stderr
    assert "crashed" not in result.stderr and result.stdout == ""
    assert pipeline.digests() == before
    return result.stderr


def written(pipeline) -> bytes:
    """All that the pipeline wrote: data, log and warehouse, names included."""
    files = [path for path in sorted(pipeline.root.rglob("*")) if path.is_file()]
    return b"\n".join(
        str(path.relative_to(pipeline.root)).encode() + path.read_bytes() for path in files
    )


# ------------------------------------------------------------------------------------- archives


def test_a_zip_with_one_flipped_byte_is_refused_after_a_whole_one(pipeline):
    """Stored, not deflated: the text reads well, only the CRC tells."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", ROWS)
    whole = buffer.getvalue()
    assert local(pipeline, "a.zip", whole).returncode == 0
    damaged = whole.replace(b"Title 150", b"Tit1e 150")
    said = refusal(pipeline, lambda: local(pipeline, "a.zip", damaged))
    assert "a.zip is damaged or was cut: Bad CRC-32 for file 'a.csv'" in said


def test_a_zip_whose_names_leave_the_folder_writes_nothing_outside(pipeline):
    """The member is read as a stream; absolute, backslash and ../ names are only names."""
    outside = sorted(path.name for path in pipeline.root.parent.iterdir())
    for number, name in enumerate(("../../evil.csv", "/tmp/evil_of_a_zip.csv", "..\\evil.csv")):
        archive = zipped(**{name: ROWS + b"s%d,Movie,More,2020\n" % (900 + number)})
        assert local(pipeline, "evil.zip", archive).returncode == 0, name
    assert sorted(path.name for path in pipeline.root.parent.iterdir()) == outside
    assert not [path for path in pipeline.root.rglob("*evil*") if path.suffix == ".csv"]
    assert not Path("/tmp/evil_of_a_zip.csv").exists()


def test_a_kaggle_zip_with_the_extra_files_of_a_mac_lands(pipeline):
    """A Mac puts ._ twins next to the file, too: they are not a second CSV."""
    archive = zipped(
        **{
            "archive/": b"",
            "archive/netflix_titles.csv": ROWS,
            "__MACOSX/archive/._netflix_titles.csv": b"\0\5\26\7",
            "archive/.DS_Store": b"\0",
            "archive/._netflix_titles.csv": b"\0\5\26\7",
        }
    )
    result = local(pipeline, "archive.zip", archive)
    assert (result.returncode, result.stderr) == (0, "")
    assert landed(pipeline) == 200


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("bomb.csv.gz", lambda: gzip.compress(ROWS + b"0" * 50_000_000)),
        ("bomb.zip", lambda: zipped(**{"a.csv": ROWS + b"0" * 50_000_000})),
        # Lines all the way: each block is a good one, only the sum is too much.
        ("rows.csv.gz", lambda: gzip.compress(ROWS + ROWS.split(b"\n", 1)[1] * 10_000)),
    ],
)
def test_a_zip_bomb_stops_at_the_limit_before_it_fills_the_disk(pipeline, name, pack, monkeypatch):
    assert local(pipeline, "a.csv", ROWS).returncode == 0
    taken = []
    read = source_file.SizeLimitedReader.read

    def counted(self, *count):
        block = read(self, *count)
        taken.append(len(block))
        return block

    monkeypatch.setattr(source_file.SizeLimitedReader, "read", counted)
    said = refusal(pipeline, lambda: local(pipeline, name, pack(), MAX_FILE_SIZE="2MB"))
    assert "the file is larger than MAX_FILE_SIZE (2,000,000 bytes)" in said
    assert sum(taken) <= 2_000_000


def test_a_file_of_exactly_the_limit_lands_and_one_byte_more_does_not(pipeline):
    limit = str(len(ROWS))
    said = refusal(
        pipeline, lambda: local(pipeline, "a.csv", ROWS, MAX_FILE_SIZE=str(len(ROWS) - 1))
    )
    assert "larger than MAX_FILE_SIZE" in said
    assert local(pipeline, "a.csv.gz", gzip.compress(ROWS), MAX_FILE_SIZE=limit).returncode == 0


# ----------------------------------------------------------------------------------------- http


def test_every_request_of_a_first_and_of_an_unchanged_run(pipeline, server):
    """The file and its digest; then one conditional request and no more."""
    server.answers = [(200, {"ETag": '"v1"'}, ROWS), (304, {}, b"")]
    assert fetch(pipeline, server).returncode == 0
    before, batch = pipeline.digests(), pipeline.batches()[-1]
    assert server.paths == ["/catalogue.csv", "/catalogue.csv.sha256"]
    assert (batch["etag"], batch["source"]) == ('"v1"', server.url)
    assert "unchanged since" in fetch(pipeline, server).stdout
    assert server.paths[2:] == ["/catalogue.csv"]
    assert pipeline.digests() == before


def test_same_bytes_sent_again_are_unchanged(pipeline, server):
    """A server that knows no conditions, or a new ETag for the old file."""
    server.answers = [(200, {"ETag": '"v1"'}, ROWS), (200, {"ETag": '"v2"'}, ROWS)]
    assert fetch(pipeline, server).returncode == 0
    before = pipeline.digests()
    again = fetch(pipeline, server)
    assert (again.returncode, "unchanged since" in again.stdout) == (0, True)
    assert pipeline.digests() == before


def test_an_unasked_304_is_not_a_delivery(pipeline, server):
    """A confused cache: there is no snapshot that the file could be unchanged since."""
    server.answers = [(304, {}, b"")]
    said = refusal(pipeline, lambda: fetch(pipeline, server, HTTP_RETRIES="0"))
    assert "the server answers 304" in said


def test_an_unchanged_file_can_be_filed_under_another_time(pipeline, server):
    """As with a local file: SNAPSHOT_AT says that it stands for that time, too."""
    answer = lambda handler: handler.answer(  # noqa: E731
        *((304, {}, b"") if handler.headers["If-None-Match"] else (200, {"ETag": '"v1"'}, ROWS))
    )
    server.answers = [answer, answer, answer]
    for day in ("2020-01-17", "2020-01-18", "2020-01-18"):
        assert fetch(pipeline, server, SNAPSHOT_AT=day).returncode == 0
    assert [batch["snapshot_at"][:10] for batch in pipeline.batches()] == [
        "2020-01-17",
        "2020-01-18",
    ]


def test_another_url_is_asked_without_the_etag_of_the_first(pipeline, server):
    server.answers = [(200, {"ETag": '"v1"'}, ROWS), (200, {"ETag": '"v1"'}, ROWS[:-20])]
    assert fetch(pipeline, server).returncode == 0
    pipeline.step(RAW, NETFLIX_CSV=server.url.replace("catalogue", "other"))
    assert [request.get("If-None-Match") for request in server.requests] == [None, None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_client_error_is_reported_at_once(pipeline, server, status):
    assert local(pipeline, "a.csv", ROWS).returncode == 0
    server.answers = [(status, {}, b"<html>no</html>")]
    said = refusal(pipeline, lambda: fetch(pipeline, server))
    assert f"{server.url} could not be fetched after 1 attempt(s): the server answers {status}" in (
        said
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_temporary_error_is_retried_as_often_as_allowed(pipeline, server, status):
    server.answers = [(status, {}, b"")] * 3
    said = refusal(pipeline, lambda: fetch(pipeline, server, HTTP_RETRIES="2"))
    assert f"after 3 attempt(s): the server answers {status}" in said
    server.answers = [(status, {}, b""), (200, {}, ROWS)]
    assert fetch(pipeline, server, HTTP_RETRIES="1").returncode == 0


def test_a_server_that_hangs_is_given_up_and_one_that_comes_back_is_not(pipeline, server):
    hang = lambda _: server.stop.wait(30)  # noqa: E731
    server.answers = [hang, (200, {}, ROWS)]
    assert fetch(pipeline, server, HTTP_TIMEOUT_S="1", HTTP_RETRIES="1").returncode == 0
    server.answers = [hang]
    said = refusal(pipeline, lambda: fetch(pipeline, server, HTTP_TIMEOUT_S="1", HTTP_RETRIES="0"))
    assert "after 1 attempt(s): TimeoutError: timed out" in said


def drip(answer: bytes, server, step: int = 1):
    """An answer of which each byte comes in time, and the last one never."""

    def reply(handler):
        handler.close_connection = True
        for at in range(0, len(answer), step):
            with suppress(OSError):
                handler.wfile.write(answer[at : at + step])
            if server.stop.wait(0.2):
                return

    return reply


@pytest.mark.parametrize("at", ["header", "status", "body", "digest"])
def test_a_slow_drip_anywhere_ends_at_one_deadline(pipeline, server, at):
    head, slow = b"HTTP/1.0 200 OK\r\n", b"A: b\r\n" * 1000
    whole = (200, {}, ROWS)
    parts = {
        "status": drip(head * 100, server),
        "header": drip(head + slow, server, 6),
        "body": drip(head + b"Content-Length: 5012\r\n\r\n" + ROWS, server, 70),
        "digest": whole,
    }
    server.answers = [parts[at]]
    server.digest = drip(head + slow, server, 6) if at == "digest" else None
    start = time.monotonic()
    said = refusal(pipeline, lambda: fetch(pipeline, server, HTTP_TIMEOUT_S="1", HTTP_RETRIES="0"))
    assert "after 1 attempt(s): TimeoutError: the answer came too slowly" in said
    assert time.monotonic() - start < 5


def test_a_deadline_moves_with_progress_and_has_an_end(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(remote.time, "monotonic", lambda: now)
    deadline = remote.Deadline(60, start=now)
    assert deadline.left() == 60
    deadline.received = 10 * remote.MIN_BYTES_PER_S
    assert deadline.left() == 70
    deadline.received = 10**12
    assert deadline.left() == remote.LONGEST_S
    now += remote.LONGEST_S
    with pytest.raises(TimeoutError):
        deadline.left()


def test_only_200_is_a_file(pipeline, server):
    """Whatever else of 2xx is answered is a part of it, none, or something else."""
    assert fetch_whole(pipeline, server) == 0
    for status in (201, 202, 203, 204, 205, 206, 207, 226, 299):
        part = ROWS.rpartition(b"s199")[0]
        server.answers = [(status, {"Content-Range": "bytes 0-4900/5012"}, part)]
        said = refusal(pipeline, lambda: fetch(pipeline, server))
        assert f"after 1 attempt(s): the server answers {status}" in said
    server.answers, server.digest = [(200, {}, ROWS)], (206, {}, b"0" * 64)
    assert "the server answers 206" in refusal(pipeline, lambda: fetch(pipeline, server))


def fetch_whole(pipeline, server, **headers: str) -> int:
    server.answers = [(200, headers, ROWS)]
    return fetch(pipeline, server).returncode


def test_a_body_of_unknown_length_is_whole_only_if_its_digest_says_so(pipeline, server):
    until_close = drip(b"HTTP/1.0 200 OK\r\n\r\n" + ROWS, server, len(ROWS))
    server.answers = [until_close]
    said = refusal(pipeline, lambda: fetch(pipeline, server))
    assert "the server does not say how long the file is" in said
    server.sha256_file, server.answers = hashlib.sha256(ROWS).hexdigest().encode(), [until_close]
    assert fetch(pipeline, server).returncode == 0
    assert landed(pipeline) == 200


def test_a_body_is_whole_when_all_of_it_has_come_though_the_connection_stays(pipeline, server):
    def reply(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ROWS) + ROWS)
        server.stop.wait(30)

    server.answers = [reply]
    assert fetch(pipeline, server, HTTP_RETRIES="0").returncode == 0


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_conditional_request_is_sent_only_for_the_same_url(pipeline, server, header):
    """Another query, user or password is another file; nor does a redirect take it along."""
    value = {"ETag": '"v1"', "Last-Modified": "Wed, 21 Oct 2025 07:28:00 GMT"}[header]
    asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[header]
    urls = [server.url + "?file=a", server.url + "?file=b", server.url, server.url + "?file=a"]
    urls += [urls[0].replace("//", f"//{user}@") for user in ("ann:1", "bob:1", "ann:2", "ann:2")]
    for number, url in enumerate(urls):
        server.answers = [(200, {header: value}, ROWS + b"s900,Movie,%d,2020\n" % number)]
        assert pipeline.step(RAW, NETFLIX_CSV=url).returncode == 0
    assert [request.get(asked) for request in server.requests] == [None] * 7 + [value]

    moved = (302, {"Location": "/elsewhere.csv"}, b"")
    server.requests, server.answers = [], [moved, (304, {}, b"")]
    said = refusal(pipeline, lambda: pipeline.step(RAW, NETFLIX_CSV=urls[-1], HTTP_RETRIES="0"))
    assert "the server answers 304" in said
    assert [request.get(asked) for request in server.requests] == [value, None]


def test_a_snapshot_without_a_digest_is_requested_unconditionally(pipeline, server):
    assert fetch_whole(pipeline, server, ETag='"v1"') == 0
    settings = load_settings({**pipeline.environment, "NETFLIX_CSV": server.url})
    (newest,) = read_batches(settings)
    server.answers = [(200, {"ETag": '"v1"'}, ROWS)]
    fetch_source(settings, pipeline.root, replace(newest, url_sha256=None))
    assert "If-None-Match" not in server.requests[-1]


def test_a_cut_body_then_a_whole_one_lands_whole(pipeline, server):
    """Nothing of the first attempt is left in the second."""
    cut = (200, {"Content-Length": str(len(ROWS) + 10)}, ROWS)
    server.answers = [cut, (200, {}, ROWS)]
    assert fetch(pipeline, server).returncode == 0
    assert pipeline.batches()[-1]["source_sha256"] == hashlib.sha256(ROWS).hexdigest()


def chunked(body: bytes, end: bytes = b"0\r\n\r\n"):
    """An answer without Content-Length, in one chunk."""

    def reply(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n%s" % (len(body), body, end))
        handler.close_connection = True

    return reply


def test_a_chunked_body_is_whole_with_its_last_chunk_only(pipeline, server):
    server.answers = [chunked(ROWS[:-20] + b"\n", end=b"")]
    said = refusal(pipeline, lambda: fetch(pipeline, server, HTTP_RETRIES="0"))
    assert "IncompleteRead" in said
    server.answers = [chunked(ROWS)]
    assert fetch(pipeline, server, HTTP_RETRIES="0").returncode == 0
    assert landed(pipeline) == 200


def test_a_redirect_is_followed(pipeline, server):
    server.answers = [(302, {"Location": "/elsewhere.csv"}, b""), (200, {}, ROWS)]
    assert fetch(pipeline, server).returncode == 0
    assert server.paths[:2] == ["/catalogue.csv", "/elsewhere.csv"]


def test_a_compressed_file_comes_over_http(pipeline, server):
    content = gzip.compress(ROWS)
    server.sha256_file = hashlib.sha256(content).hexdigest().encode()  # of the bytes as delivered
    server.answers = [(200, {}, content)]
    result = pipeline.step(RAW, NETFLIX_CSV=server.url + ".gz?v=1")
    assert (result.returncode, landed(pipeline)) == (0, 200)
    assert server.paths == ["/catalogue.csv.gz?v=1", "/catalogue.csv.gz.sha256?v=1"]


@pytest.mark.parametrize("body", [gzip.compress(ROWS), zipped(**{"a.csv": ROWS}), ROWS])
@pytest.mark.parametrize("path", ["/download", "/catalogue.csv?file=x", "/a.gz#part"])
def test_the_bytes_of_a_download_decide_how_it_is_read(pipeline, server, path, body):
    """Nobody can rename what a URL gives: an API has no extension, or one of something else."""
    server.answers = [(200, {}, body)]
    result = pipeline.step(RAW, NETFLIX_CSV=server.url.replace("/catalogue.csv", path))
    assert (result.returncode, landed(pipeline)) == (0, 200), result.stderr


def test_a_right_digest_next_to_the_url_lands_and_garbage_is_refused(pipeline, server):
    server.answers = [(200, {}, ROWS)] * 2
    server.sha256_file = b"<html>not found</html>"
    said = refusal(pipeline, lambda: fetch(pipeline, server))
    assert "/catalogue.csv.sha256 holds no SHA-256" in said
    server.sha256_file = hashlib.sha256(ROWS).hexdigest().encode() + b"  catalogue.csv\n"
    assert fetch(pipeline, server).returncode == 0


def test_user_and_password_of_a_url_reach_the_server_and_nothing_else(pipeline, server):
    url = server.url.replace("//", "//reader:pa%40s5w0rd@") + "?sig=s3cr3t#fr4gment"
    expected = "Basic " + base64.b64encode(b"reader:pa@s5w0rd").decode()
    server.answers = [(200, {"ETag": '"v1"'}, ROWS), (304, {}, b""), (404, {}, b"")]
    results = [pipeline.step(RAW, NETFLIX_CSV=url) for _ in range(3)]
    assert [result.returncode for result in results] == [0, 0, 20]
    assert [request["Authorization"] for request in server.requests] == [expected] * 3
    told = "".join(result.stdout + result.stderr for result in results).encode()
    for secret in (b"s3cr3t", b"s5w0rd", b"reader", b"fr4gment", expected[6:].encode()):
        assert secret not in told + written(pipeline), secret
    assert pipeline.batches()[-1]["source"] == server.url
    assert pipeline.snapshot(pipeline.batches()[-1], "DISTINCT source_file, 1 AS source_line") == [
        (server.url, 1)
    ]


def test_a_password_is_not_sent_on_to_where_a_redirect_leads(pipeline, server):
    server.answers = [(302, {"Location": "/elsewhere.csv"}, b""), (200, {}, ROWS)]
    pipeline.step(RAW, NETFLIX_CSV=server.url.replace("//", "//reader:s5w0rd@"))
    assert ["Authorization" in request for request in server.requests] == [True, False]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://reader:s5w0rd@host/a.csv?sig=s3cr3t",  # no such source
        "http://reader:s5w0rd@[::1/a.csv?sig=s3cr3t",  # no such address
        "http://reader:s5w0rd@host:port/a.csv?sig=s3cr3t",  # no such port
        "http://reader:s5w0rd@127.0.0.1:1/a b.csv?sig=s3cr3t",  # nobody there, a blank
        "http:///a.csv?sig=s3cr3t",  # no host
        "s3://reader:s5w0rd@bu cket/a.csv?sig=s3cr3t",  # no such bucket name
        "s3://reader:s5w0rd@bucket/a.csv?sig=s3cr3t",  # no such option
        "gs://reader:s5w0rd@bucket/a.csv?sig=s3cr3t",  # no such option
    ],
)
def test_a_url_that_cannot_work_is_refused_without_telling_its_secrets(pipeline, url):
    said = refusal(pipeline, lambda: pipeline.step(RAW, NETFLIX_CSV=url, HTTP_RETRIES="0"))
    for secret in ("s5w0rd", "s3cr3t"):
        assert secret not in said
        assert secret.encode() not in written(pipeline)


# ------------------------------------------------------------------------------------------- s3


def test_s3_downloads_nothing_where_the_object_is_unchanged(pipeline, s3):
    """A second run would refuse the wrong digest that stands there by then."""
    client, query = s3
    client.put_object(Bucket="drops", Key="same.csv", Body=ROWS)
    source = f"s3://drops/same.csv?{query}"
    assert pipeline.step(RAW, NETFLIX_CSV=source, **KEYS).returncode == 0
    before = pipeline.digests()
    client.put_object(Bucket="drops", Key="same.csv.sha256", Body=b"0" * 64)
    again = pipeline.step(RAW, NETFLIX_CSV=source, **KEYS)
    assert (again.returncode, "unchanged since" in again.stdout) == (0, True)
    assert pipeline.digests() == before
    assert pipeline.batches()[-1]["source"] == "s3://drops/same.csv"
    for secret in (b"endpoint_override", KEYS["AWS_SECRET_ACCESS_KEY"].encode() + b"-secret"):
        assert secret not in written(pipeline)


def test_s3_takes_a_gzip_with_its_digest(pipeline, s3):
    client, query = s3
    content = gzip.compress(ROWS)
    client.put_object(Bucket="drops", Key="packed.csv.gz", Body=content)
    promise = hashlib.sha256(content).hexdigest() + "  packed.csv.gz\n"
    client.put_object(Bucket="drops", Key="packed.csv.gz.sha256", Body=promise.encode())
    result = pipeline.step(RAW, NETFLIX_CSV=f"s3://drops/packed.csv.gz?{query}", **KEYS)
    assert (result.returncode, result.stderr, landed(pipeline)) == (0, "", 200)


@pytest.mark.parametrize(
    ("key", "settings", "message"),
    [
        ("missing.csv", {}, "s3://drops/missing.csv does not exist"),
        ("large.csv", {"MAX_FILE_SIZE": "1KB"}, "has 5,012 bytes"),
        ("", {}, "s3://drops/ does not exist"),
    ],
)
def test_s3_refuses_a_missing_or_too_large_object(pipeline, s3, key, settings, message):
    client, query = s3
    client.put_object(Bucket="drops", Key="large.csv", Body=ROWS)
    assert local(pipeline, "a.csv", ROWS).returncode == 0
    source = f"s3://drops/{key}?{query}"
    said = refusal(pipeline, lambda: pipeline.step(RAW, NETFLIX_CSV=source, **KEYS, **settings))
    assert message in said


def test_s3_that_never_answers_ends_at_the_deadline(pipeline):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        source = f"s3://drops/a.csv?endpoint_override={place}&scheme=http&region=us-east-1"
        limits = {"HTTP_TIMEOUT_S": "1", "HTTP_RETRIES": "0"}
        said = refusal(
            pipeline, lambda: pipeline.process(RAW, NETFLIX_CSV=source, **KEYS, **limits)
        )
    assert "s3://drops/a.csv could not be fetched: the answer came too slowly" in said
