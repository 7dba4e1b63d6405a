"""Spark for the tests: a Sail server, whose catalogue forgets its tables with each session."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving import free_port, wait_for

SERVER = (
    "import sys; from pysail.spark import SparkConnectServer; "
    "SparkConnectServer(ip='127.0.0.1', port=int(sys.argv[1])).start(background=False)"
)


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
