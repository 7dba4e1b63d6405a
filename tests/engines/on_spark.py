"""Spark for the tests: a Sail server, whose catalogue forgets its tables with each session."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER = (
    "import sys; from pysail.spark import SparkConnectServer; "
    "SparkConnectServer(ip='127.0.0.1', port=int(sys.argv[1])).start(background=False)"
)
START_S = 60


@contextmanager
def started() -> Iterator[Callable[[Path], dict[str, str]]]:
    """A server; gives the settings of a warehouse below a folder."""
    for module in ("pysail", "pyspark", "sqlglot"):
        pytest.importorskip(module, reason=f"no {module}: make test-engines installs it")
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        yield lambda root: {
            "WAREHOUSE": "spark",
            "SPARK_REMOTE": f"sc://127.0.0.1:{port}",
            "SPARK_LOCATION": str(root / "delta"),
        }
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
