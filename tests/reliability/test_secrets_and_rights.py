"""Passwords stay where they were written; files are private; DuckDB reaches nothing but its own."""

import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Pipeline, catalogue, replace_everywhere, title

from runner import redact
from warehouse import database

AREA = "Secrets and rights"
TITLES = [title(number) for number in range(1, 13)]
SECRETS = (  # no text of the project, of a library or of the tests has any of these
    "s5w0rd", "rE4der", "s1gn4ture", "fr4gm", "al3rtpw", "al3rtt0ken", "b3att0ken", "aws5ecret",
)  # fmt: skip
HIDDEN = {
    "ALERT_URLS": "json://ops:al3rtpw@127.0.0.1:1/al3rtt0ken",
    "HEARTBEAT_URL": "http://127.0.0.1:1/b3att0ken",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "aws5ecret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "HTTP_RETRIES": "0",
    "HTTP_TIMEOUT_S": "2",
    "NEWEST_TITLE_DAYS": "36500",
}
KEYS = "rE4der:s5w0rd@"
TAIL = "?sig=s1gn4ture#fr4gm"


class Server:
    """Give the catalogue to whoever knows the password; answer others with `status`."""

    def __init__(self, status: int):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.split("?")[0].endswith(".sha256"):
                    self.send_error(404)
                    return
                body = catalogue(*TITLES).encode() if status == 200 else b""
                # It quotes what it was told, as some do.
                self.send_response(status, "told s5w0rd \x1b[31m" if status != 200 else "OK")
                if status == 302:
                    self.send_header("Location", "ftp://rE4der:s5w0rd@127.0.0.1/?sig=s1gn4ture")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, keys: str = KEYS) -> str:
        return f"http://{keys}127.0.0.1:{self.http.server_port}/a.csv{TAIL}"


@pytest.fixture
def server(request):
    server = Server(getattr(request, "param", 200))
    yield server
    server.http.shutdown()
    server.http.server_close()


def sees(result: subprocess.CompletedProcess) -> str:
    """What the step said of its end, without what differs from run to run."""
    lines = (result.stderr or result.stdout).strip().splitlines() or ["(nothing)"]
    ends = [line for line in lines if re.search(r" (stopped|failed|crashed|warning): ", line)]
    text = (ends or lines)[-1]
    text = re.sub(r"(/[\w.-]+){2,}|[0-9a-f]{12,}|\d{8}T\w+", "...", " ".join(text.split()))
    return re.sub(r":\d{4,5}\b", ":port", text)[:150]


def tell_tales(pipeline: Pipeline, *results: subprocess.CompletedProcess) -> list[str]:
    """Where a secret stands: streams, names and bytes of all files, rows of all tables."""
    places = {"a stream": "".join(done.stdout + done.stderr for done in results).encode()}
    for path in pipeline.root.rglob("*"):
        if path.is_file():
            places[str(path)] = str(path).encode() + path.read_bytes()
    for path in pipeline.root.rglob("*.parquet"):  # compressed: the bytes do not tell
        rows = duckdb.execute("FROM read_parquet(?)", [str(path)]).fetchall()
        places[f"rows of {path}"] = repr(rows).encode()
    for path in (*pipeline.root.rglob("*.db"), *pipeline.root.rglob("netflix.duckdb")):
        with duckdb.connect(str(path), read_only=True) as con:
            names = con.execute(
                "SELECT table_name FROM duckdb_tables() UNION ALL "
                "SELECT view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            for (name,) in names:
                rows = con.execute(f'SELECT * FROM "{name}"').fetchall()
                places[f"{name} in {path}"] = repr(rows).encode()
    assert len(places) > 1
    return [
        f"{word}: {at}" for at, text in places.items() for word in SECRETS if word.encode() in text
    ]


def test_the_search_finds_a_secret_in_each_kind_of_place(pipeline):
    """In a file's name, in a compressed database and Parquet file, and in a stream."""
    pipeline.put("x", "s5w0rd.txt")
    with duckdb.connect(str(pipeline.root / "x.db")) as con:
        con.execute("CREATE TABLE t AS SELECT 'aws5ecret' AS a FROM range(9999)")
        con.execute(f"COPY (SELECT 'fr4gm' AS a) TO '{pipeline.root}/x.parquet'")
    found = tell_tales(pipeline, subprocess.CompletedProcess("", 0, "al3rtpw", ""))
    assert {line.split(":")[0] for line in found} == {"s5w0rd", "aws5ecret", "fr4gm", "al3rtpw"}


CRASH = (
    "import sys; sys.path.insert(0, sys.argv[1] + '/python')\n"
    "import runpy; from ingest import remote\n"
    "def save(response, path, settings, _): raise KeyError(f'no way with {settings.source}')\n"
    "remote.save_body = save\n"
    "sys.argv = [sys.argv[1] + '/python/run_all.py']\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
FAULTS = {  # what is wrong -> the source; "" means: the server's address
    "unreachable host": f"http://{KEYS}127.0.0.1:1/a.csv{TAIL}",
    "no such host": f"https://{KEYS}nowhere.invalid/a.csv{TAIL}",
    "wrong port": f"http://{KEYS}127.0.0.1:port/a.csv{TAIL}",
    "blank in the URL": f"http://{KEYS}127.0.0.1:1/a b.csv{TAIL}",
    "control character in the query": f"http://{KEYS}127.0.0.1:1/a.csv{TAIL}\x7f\té",
    "bare / in the password": f"http://rE4der:x/s5w0rd@127.0.0.1:1/a.csv{TAIL}",
    "bare ? in the password": f"http://rE4der:x?s5w0rd@127.0.0.1:1/a.csv{TAIL}",
    "bare # in the password": f"http://rE4der:s5w0rd#x@127.0.0.1:1/a.csv{TAIL}",
    "bare @ in the password": f"http://rE4der:x@s5w0rd@127.0.0.1:1/a.csv{TAIL}",
    "escaped sign in the password": f"http://rE4der:x%2Fs5w0rd@127.0.0.1:port/a.csv{TAIL}",
    "one slash only": f"https:/{KEYS}127.0.0.1/a.csv{TAIL}",
    "no scheme": f"{KEYS}127.0.0.1/a.csv{TAIL}",
    "unknown scheme": f"htps://{KEYS}127.0.0.1/a.csv{TAIL}",
    "s3 with keys in the URL": f"s3://{KEYS}bu cket/a.csv{TAIL}",
    "s3 that nobody answers": "s3://drops/a.csv?endpoint_override=127.0.0.1:1&scheme=http&region=x",
    "gs with keys in the URL": f"gs://{KEYS}bucket/a.csv{TAIL}",
    "crash that quotes the URL": "",
    "wrong password": "",
    "redirect to nowhere": "",
    "escaped password that the server quotes": "rE4der:s5w%30rd@",
}
QUICK = ("crash that quotes the URL",)
ANSWERS = {
    "wrong password": 401,
    "redirect to nowhere": 302,
    "escaped password that the server quotes": 403,
}


@pytest.mark.parametrize(
    ("fault", "server"),
    [
        pytest.param(
            fault,
            ANSWERS.get(fault, 200),
            id=fault,
            marks=[] if fault in QUICK else pytest.mark.slow,
        )
        for fault in FAULTS
    ],
    indirect=["server"],
)
def test_a_failed_run_reveals_no_secret(pipeline, loaded_once, report, server, fault):
    pipeline.copy_of(loaded_once)
    before = pipeline.tables(), pipeline.digests("data/raw")
    source = FAULTS[fault] if "://" in FAULTS[fault] else server.url(FAULTS[fault] or KEYS)
    if fault in ("one slash only", "no scheme"):
        source = FAULTS[fault]
    settings = HIDDEN | {"NETFLIX_CSV": source}
    if fault == "crash that quotes the URL":
        failed = subprocess.run(
            [sys.executable, "-c", CRASH, str(PROJECT)],
            env={**pipeline.environment, **settings},
            capture_output=True,
            text=True,
        )
        log = (pipeline.root / "logs" / "pipeline.log").read_text()
        assert "Traceback (most recent call last)" in log and "no way with http://***" in log
    else:
        failed = pipeline.process("run_all", **settings)
    code = {"crash that quotes the URL": 1, "one slash only": 2, "no scheme": 2}.get(fault, 20)
    assert failed.returncode == code, failed.stderr
    assert tell_tales(pipeline, failed) == []
    assert all(c.isprintable() or c == "\n" for c in failed.stdout + failed.stderr)
    assert (pipeline.tables(), pipeline.digests("data/raw")) == before
    seen = [pipeline.process(name, **HIDDEN) for name in ("operations/status", "09_publish")]
    assert tell_tales(pipeline, *seen) == []
    report(
        AREA, f"{fault}, keys in the source's URL", "02", sees(failed), code, "old state; no key"
    )


@pytest.mark.slow
def test_a_whole_run_a_plan_and_inspect_reveal_no_secret(pipeline, report, server):
    """All the way to the page; spooled alerts and a dead heartbeat are in it, too."""
    settings = HIDDEN | {"NETFLIX_CSV": server.url()}
    done = [pipeline.process("06_merge_cdc", "--plan", **settings)]
    assert (done[0].returncode, "plan      a.csv (" in done[0].stdout) == (0, True), done[0]
    for name, *arguments in (
        ("run_all",),
        ("01_inspect_data",),
        ("10_rebuild_warehouse",),
        ("11_explain_title", "s1"),
        ("operations/status",),
    ):
        done.append(pipeline.process(name, *arguments, **settings))
        assert done[-1].returncode == 0, (name, done[-1].stderr)
    spoil = duckdb.connect(str(pipeline.root / "dw.db"))
    spoil.execute("UPDATE analytics_netflix_history SET type = 'Game' WHERE show_id = 's1'")
    spoil.close()
    done.append(pipeline.process("run_all", **settings))
    assert done[-1].returncode == 30
    assert len(list((pipeline.root / "data/alerts/spool").glob("*.json"))) == 1
    assert tell_tales(pipeline, *done) == []
    report(AREA, "keys in every setting that may hold one", "02 to 11, page", sees(done[1]),
           "0, 30",
           "no key in any file, table or stream", len(done))  # fmt: skip


@pytest.mark.parametrize("name", ["ALERT_URLS", "HEARTBEAT_URL", "NETFLIX_CSV"])
def test_a_wrong_secret_setting_is_not_quoted(pipeline, report, name):
    failed = pipeline.step("02_create_raw_layer", **{name: "~nobody:s5w0rd@x"})
    assert failed.returncode == 2 and f"{name} is ***; allowed is" in failed.stderr
    assert "s5w0rd" not in failed.stdout + failed.stderr
    assert list(pipeline.root.iterdir()) == []
    report(AREA, f"{name} with a typo", "any step", sees(failed), 2, "unchanged; no key")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:8080/a@b.csv?mail=me@host", "http://host:8080/a@b.csv"),
        ("http://[::1]:80/a@b.csv", "http://[::1]:80/a@b.csv"),
        ("s3://bucket/in/a.csv", "s3://bucket/in/a.csv"),
        ("http://u:p@host/a.csv", "http://host/a.csv"),
        ("http://u:p/q@host/a.csv", "http://host/a.csv"),
        ("http://u:#@host/a.csv", "http://host/a.csv"),
        ("http://token@host/a@b.csv", "http://host/a@b.csv"),
    ],
)
def test_what_is_shown_of_a_url(url, shown):
    assert redact.strip_credentials(url) == shown


def test_a_key_is_hidden_however_it_is_quoted():
    url = "http://u%73er:p%40ss@host/a.csv?sig=x\ty"
    for text in (url, "user:p@ss", "p%40ss", "p@ss", repr("sig=x\ty"), "/a.csv?sig=x"):
        assert not re.search(r"u%73er|user|p%40|p@ss|sig=|x.*y", redact.redact(text, url)), text


# --------------------------------------------------------------------------------------- rights


def too_open(root: Path, mask: int) -> list[str]:
    """Files and folders below `root` with a right that 0640, 0750 or the umask would not give."""
    found = []
    for path in root.rglob("*"):
        allowed = (0o750 if path.is_dir() else 0o640) & ~mask
        if not path.is_symlink() and (mode := path.stat().st_mode & 0o7777) & ~allowed:
            found.append(f"{path.relative_to(root)}: {mode:o}")
    return found


def test_a_step_makes_private_files_whatever_the_umask_allows(pipeline):
    before = os.umask(0)
    try:
        assert pipeline.raw(catalogue(*TITLES)).returncode == 0
    finally:
        os.umask(before)
    (pipeline.root / "catalogue.csv").unlink()
    assert (pipeline.root / "dw.db").exists() and too_open(pipeline.root, 0) == []


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_are_0640_and_folders_0750_whatever_the_umask_allows(tmp_path, report, mask):
    source = Pipeline(tmp_path).put(catalogue(*TITLES) + "odd\r\ns99,Movie,X,,,,,2020,,,,\r\n")
    pipeline = Pipeline(tmp_path / "root", HIDDEN | {"NETFLIX_CSV": source})
    before = os.umask(mask)
    try:
        done = pipeline.process("run_all", "--quiet")
        assert done.returncode == 0, done.stderr
        others = [
            pipeline.process(name, *arguments)
            for name, *arguments in (("06_merge_cdc", "--plan"), ("10_rebuild_warehouse",))
        ]
        failed = pipeline.process("run_all", "--quiet", NETFLIX_CSV="none.csv")
    finally:
        os.umask(before)
    assert [other.returncode for other in others] == [0, 0] and failed.returncode == 20
    names = {path.name for path in pipeline.root.rglob("*")}
    assert names >= {
        "dw.db", "dw.db.lock", "pipeline.log", "monitor.log", "cron.log", "decisions",
        "netflix_titles_raw.parquet", "state.json", "spool", "netflix.duckdb", "dashboard.html",
        "kpi_top_genres.csv",
    }  # fmt: skip
    assert list(pipeline.root.rglob("*.rejects.parquet"))
    assert too_open(pipeline.root, mask) == []
    private = mask | 0o027
    assert (pipeline.root / "dw.db").stat().st_mode & 0o777 == 0o666 & ~private
    assert (pipeline.root / "data").stat().st_mode & 0o777 == 0o777 & ~private
    copy = (pipeline.root / "data/published/netflix.duckdb").resolve()
    assert copy.stat().st_mode & 0o777 == 0o444 & ~private
    report(AREA, f"umask {mask:03o}", "02 to 09, plan, rebuild", sees(others[1]), 0,
           f"files {0o666 & ~private:o}, folders {0o777 & ~private:o}")  # fmt: skip


@pytest.mark.slow
def test_a_world_readable_env_file_is_reported_once(tmp_path, report):
    checkout, pipeline = tmp_path / "project", Pipeline(tmp_path / "root")
    shutil.copytree(
        PROJECT / "python", checkout / "python", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("sql", ".ci"):
        (checkout / name).symlink_to(PROJECT / name)
    source = Pipeline(tmp_path).put(catalogue(*TITLES))
    env = checkout / ".env"
    env.write_text(f"NETFLIX_CSV={source}\nHEARTBEAT_URL=http://127.0.0.1:1/b3att0ken\n")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=checkout,
            env={
                **pipeline.environment,
                "PYTHON_DOTENV_DISABLED": "",
                "NEWEST_TITLE_DAYS": "36500",
            },
            capture_output=True,
            text=True,
        )
        assert (done.returncode, "b3att0ken" in done.stdout + done.stderr) == (0, False), done
        return done

    words = "everybody on this machine can read"
    env.chmod(0o644)
    loud = run("python/run_all.py")
    assert loud.stderr.count(words) == 1 and f"chmod 600 {env}" in loud.stderr
    assert run("python/03_load_raw_to_duckdb.py").stderr.count(words) == 1
    assert run("python/run_all.py", "--quiet").stderr == ""  # no mail each night
    assert (pipeline.root / "logs/cron.log").read_text().count(words) == 1
    env.chmod(0o640)
    assert run("python/run_all.py").stderr == ""
    assert tell_tales(pipeline) == []
    report(AREA, ".env readable by everybody", "run_all", sees(loud), 0, "said once a chain", 4)


# --------------------------------------------------------------------------------------- DuckDB

OUTSIDE = (
    "SELECT size FROM read_text('/etc/hostname')",
    "FROM read_csv('/etc/hostname')",
    "SELECT size FROM read_text('{root}/outside.txt')",
    "SELECT size FROM read_text('{root}/data/raw/manifest.jsonl')",
    "SELECT size FROM read_text('{root}/data/raw/snapshots/../manifest.jsonl')",
    "FROM glob('{root}/*')",
    "FROM 'http://127.0.0.1:1/a.csv'",
    "COPY (SELECT 1) TO '{root}/written.csv'",
    "ATTACH '{root}/other.db' AS other",
    "EXPORT DATABASE '{root}/export'",
    "INSTALL httpfs",
    "FORCE INSTALL spatial FROM community",
    "LOAD httpfs",
    "LOAD '{root}/evil.duckdb_extension'",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET autoinstall_known_extensions = true",
    "SET autoload_known_extensions = true",
    "SET allow_community_extensions = true",
    "SET allow_unsigned_extensions = true",
    "SET custom_extension_repository = 'http://127.0.0.1:1'",
    "SET extension_directory = '{root}'",
    "SET temp_directory = '{root}'",
    "SET memory_limit = '900GB'",
    "SET lock_configuration = false",
    "SET allowed_configs = ['memory_limit']",
)
# May reach the folder of the warehouse, or all of raw: these attach it, those parse into raw.
WIDER = {
    "02_create_raw_layer": OUTSIDE[3:5],
    "10_rebuild_warehouse": (*OUTSIDE[2:6], *OUTSIDE[7:10]),
}
SCRIPTS = (
    "01_inspect_data", "02_create_raw_layer", "03_load_raw_to_duckdb", "04_check_schema",
    "05_run_staging_sql", "06_merge_cdc", "07_monitor_pipeline", "08_build_analytics", "09_publish",
    "10_rebuild_warehouse", "11_explain_title", "operations/status",
)  # fmt: skip


@pytest.mark.parametrize("scripts", [SCRIPTS[1:3], pytest.param(SCRIPTS, marks=pytest.mark.slow)])
def test_no_connection_of_any_step_reaches_beyond_its_folders(
    pipeline, report, monkeypatch, scripts
):
    """Each connection is tried before the step gets it."""
    pipeline.settings = {
        "NETFLIX_CSV": pipeline.put(catalogue(*TITLES) + "odd\r\ns99,Movie,X,,,,,2020,,,,\r\n"),
        "NEWEST_TITLE_DAYS": "36500",
    }
    pipeline.put("outside", "outside.txt")
    connect, tried, let, refusals = database.connect, [], [], set()
    at = ""

    def hardened(path, *arguments, **options):
        con = connect(path, *arguments, **options)
        for statement in OUTSIDE:
            try:
                con.execute(statement.format(root=pipeline.root)).fetchall()
                let.append((at, statement))
            except (duckdb.PermissionException, duckdb.InvalidInputException) as error:
                locked = statement.startswith(("SET", "LOAD", "INSTALL", "FORCE"))
                assert locked or isinstance(error, duckdb.PermissionException), error
                refusals.add(str(error).splitlines()[0].split(" - ")[-1])
        if at == "08_build_analytics":
            with pytest.raises(duckdb.PermissionException):
                con.execute(f"FROM glob('{pipeline.root}/data/raw/snapshots/*')").fetchall()
        tried.append(at)
        con.execute("DETACH DATABASE IF EXISTS other") if at == "10_rebuild_warehouse" else None
        return con

    replace_everywhere(monkeypatch, connect, hardened)
    for at in scripts:
        done = pipeline.step(at, *(["s1"] if at.startswith("11") else []))
        assert done.returncode == 0, (at, done.stderr)
    assert set(tried) == {*scripts}
    if scripts == SCRIPTS:
        at = "plan"
        source = pipeline.put(catalogue(*TITLES[1:]))
        assert pipeline.step("06_merge_cdc", "--plan", NETFLIX_CSV=source).returncode == 0
        assert "plan" in tried
    unexpected = [(step, what) for step, what in let if what not in WIDER.get(step, ())]
    assert unexpected == []
    times, words = len(tried) * len(OUTSIDE), max(refusals, key=len)
    report(AREA, "SQL that reads, writes, attaches, installs or unlocks", "each step's connection",
           f"{len(refusals)} errors, as: {words}", 0, "refused by DuckDB", times)  # fmt: skip


# ------------------------------------------------------------------------------------ the lock

PINNED = re.compile(r"^([a-z0-9._-]+)(?:\[[\w,-]+\])?==([\w.]+)", re.MULTILINE | re.IGNORECASE)


def pinned(name: str) -> dict[str, set[str]]:
    """Package -> its versions (more than one where they differ by Python version)."""
    found: dict[str, set[str]] = {}
    for package, version in PINNED.findall((PROJECT / name).read_text()):
        found.setdefault(package.lower().replace("_", "-"), set()).add(version)
    return found


LOCKS = {
    "requirements.txt": ".ci/locks/requirements.lock",
    "tests/requirements.txt": ".ci/locks/test.lock",
}


@pytest.mark.parametrize("listed", LOCKS)
def test_the_lock_holds_every_package_with_version_and_hash(listed):
    lock = (PROJECT / LOCKS[listed]).read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", lock).strip())
    assert len(entries) > 10
    for entry in entries:
        first, *rest = entry.replace(" \\", "").split("\n")
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w .'<>=!]+)?", first), first
        assert rest and all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", one) for one in rest)
    assert "://" not in lock  # which index it comes from is the machine's affair
    for name, versions in pinned(listed).items():
        assert pinned(LOCKS[listed])[name] == versions, name


def test_both_locks_name_the_same_versions():
    ours, tests = map(pinned, LOCKS.values())
    assert {name for name in ours.keys() & tests.keys() if ours[name] != tests[name]} == set()


def wheel(folder: Path) -> Path:
    """A package of one empty module, as pip takes it."""
    path = folder / "tiny_part-1.0-py3-none-any.whl"
    info = "tiny_part-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_part.py", "")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.slow
def test_setup_refuses_a_package_with_another_hash(tmp_path, report):
    import hashlib

    package = wheel(tmp_path)
    right = hashlib.sha256(package.read_bytes()).hexdigest()
    lock, venv = tmp_path / "requirements.lock", tmp_path / "venv"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    environment |= {"PIP_CONFIG_FILE": os.devnull}

    def setup(line: str) -> subprocess.CompletedProcess:
        lock.write_text(f"tiny-part==1.0{line}\n")
        return subprocess.run(
            [
                "bash",
                str(PROJECT / ".ci" / "setup"),
                sys.executable,
                str(venv),
                "requirements.lock",
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    for fault, line, words in (
        ("another hash", f" --hash=sha256:{'0' * 64}", "DO NOT MATCH THE HASHES"),
        ("no hash", "", "hashes are required"),
    ):
        failed = setup(line)
        assert (failed.returncode, words.lower() in failed.stderr.lower()) == (1, True), (
            failed.stderr
        )
        assert "setup     stopped: pip did not install requirements.lock" in failed.stderr
        assert not list(venv.rglob("tiny_part*")) and not list(venv.glob("have-*"))
        report(
            AREA,
            f"a package with {fault} in the lock",
            "make setup",
            sees(failed),
            1,
            "not installed",
        )
    assert setup(f" --hash=sha256:{right}").returncode == 0
    assert list(venv.rglob("tiny_part.py")) and list(venv.glob("have-*"))
