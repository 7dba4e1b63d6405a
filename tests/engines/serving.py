"""Servers for the tests that run in an environment of their own: they want another DuckDB."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import PROJECT

START_S = 60


@contextmanager
def served(engine: str, client: str) -> Iterator[int]:
    """fake_<engine>.py, run by .venv-<engine>; gives its port. Skips where either is missing."""
    pytest.importorskip(client, reason=f"no {client}: make test-engines installs it")
    pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
    python = Path(
        os.environ.get(f"FAKE_{engine.upper()}") or PROJECT / f".venv-{engine}/bin/python"
    )
    if not python.exists():
        pytest.skip(f"no {python}: make test-engines ENGINES={engine} makes it")
    script = Path(__file__).with_name(f"fake_{engine}.py")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [python, script, str(port), folder],
            env={**os.environ, "HOME": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port, server)
            yield port
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port: int, server: subprocess.Popen) -> None:
    """Until the server takes connections."""
    end = time.monotonic() + START_S
    while True:
        assert server.poll() is None, "the server ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"no server after {START_S} s"
            time.sleep(0.1)
