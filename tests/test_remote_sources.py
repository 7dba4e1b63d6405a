"""Sources that are not a plain local file: compressed, over http, in an object store."""

import gzip
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import remote

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
    import os

    path = pipeline.root / name
    path.write_bytes(content)
    os.utime(path, (0, 0))
    return pipeline.step(RAW, NETFLIX_CSV=str(path), **settings)


def landed(pipeline) -> int:
    latest = pipeline.root / "data/raw/netflix_titles_raw.parquet"
    import duckdb

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
def test_a_sha256_file_beside_the_source_is_checked(pipeline, promise, code):
    (pipeline.root / "a.csv.sha256").write_text(promise)
    result = local(pipeline, "a.csv", ROWS)
    assert result.returncode == code, result.stderr
    assert bool(pipeline.digests()) == (code == 0)


class Server:
    """Answers each request with the next of `answers`: (status, headers, body) or a function."""

    def __init__(self):
        self.answers, self.requests = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.split("?")[0].endswith(".sha256") and not outer.beside:
                    self.send_error(404)
                    return
                if self.path.split("?")[0].endswith(".sha256"):
                    self.answer(200, {}, outer.beside)
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

        self.beside = b""
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


def test_a_wrong_digest_beside_the_url_is_refused(pipeline, server):
    server.answers, server.beside = [(200, {}, ROWS)], b"0" * 64
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


def test_s3_lands_is_unchanged_then_and_tells_a_missing_object(pipeline, s3, monkeypatch):
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
