"""Apache Spark 3.5 with Iceberg for the tests: its own planner, MERGE, and a catalogue that lasts.

The jar of Iceberg is in a wheel of PyPI, that of Spark Connect for 3.5 is not. So the adapter has a
session of the classic API here, in a JVM that outlives its clients (apache_server.py): what each
process asks of it is what a Spark Connect server would be asked. The catalogue is a SQLite file.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest

from config import Settings

pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
import engines.spark

SQLITE = Path("/usr/share/java/sqlite-jdbc.jar")  # Debian's libxerial-sqlite-jdbc-java
CATALOG, SERVER = "lake", "APACHE_SERVER"  # the variable: port and secret of the JVM


class ClassicSpark(engines.spark.Spark):
    """The adapter of Spark Connect on a session of the classic API, which has other names."""

    def arrow(self, sql: str) -> Any:
        import pyarrow
        from pyspark.sql.pandas.types import to_arrow_schema

        rows = self.session.sql(sql)
        return pyarrow.Table.from_batches(rows._collect_as_arrow(), to_arrow_schema(rows.schema))

    def close(self) -> None:
        """End nothing: the context is the server's."""


@cache
def attach() -> Any:
    """This process's access to the server's JVM: a session, of which each connection gets a new."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    port, secret = os.environ[SERVER].split()
    there = {"PYSPARK_GATEWAY_PORT": port, "PYSPARK_GATEWAY_SECRET": secret}
    with mock.patch.dict(os.environ, there):
        gateway = launch_gateway()
    jvm = gateway.jvm
    context = jvm.org.apache.spark.SparkContext.getOrCreate()
    java = jvm.org.apache.spark.api.java.JavaSparkContext(context)
    conf = SparkConf(_jconf=java.getConf())
    return SparkSession(SparkContext(gateway=gateway, jsc=java, conf=conf))


def detach() -> None:
    """Let go of the server: there is one context in a process, and another server may come."""
    if attach.cache_info().currsize:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        SparkContext._gateway.close()
        SparkSession._instantiatedSession = None
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        attach.cache_clear()


def connect(settings: Settings) -> ClassicSpark:
    os.environ.pop("SPARK_REMOTE", None)  # with it, the classic API goes to a server of Connect
    return ClassicSpark(attach().newSession(), settings)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A JVM with a catalogue in this folder; gives its port and secret."""
    pytest.importorskip("pyspark.java_gateway", reason="no Spark: ENGINES=apache installs it")
    pytest.importorskip("snowpark_connect_deps_iceberg", reason="no jar of Iceberg")
    if not shutil.which("java") or not SQLITE.exists():
        pytest.skip("no Java, or no libxerial-sqlite-jdbc-java")
    script = Path(__file__).with_name("apache_server.py")
    with open(folder / "log", "a") as log:
        process = subprocess.Popen(
            [sys.executable, script, folder, CATALOG, SQLITE],
            env={**os.environ, "PYSPARK_PYTHON": sys.executable},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process.stdout.readline().strip() or pytest.fail((folder / "log").read_text())
        finally:
            process.communicate()  # it ends with its standard input


@contextmanager
def started() -> Iterator[Callable[[Path], dict[str, str]]]:
    """A server; gives the settings of a warehouse in a schema of its own."""
    with TemporaryDirectory() as folder, serving(Path(folder)) as settings_in:
        yield settings_in


@contextmanager
def serving(folder: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """As `started`, with the catalogue and the tables in this folder."""
    detach()
    with server(folder) as address:
        given = {SERVER: address, "PYSPARK_PYTHON": sys.executable}

        def settings_in(root: Path) -> dict[str, str]:
            schema = f"{CATALOG}.{re.sub('[^a-z0-9]', '_', str(root).lower())}"
            attach().sql(f"CREATE NAMESPACE IF NOT EXISTS {schema}")
            return {
                "WAREHOUSE": "spark",
                "SPARK_REMOTE": "sc://of.on_apache",
                "SPARK_FORMAT": "iceberg",
                "SPARK_SCHEMA": schema,
                **given,
            }

        with mock.patch.dict(os.environ, given), mock.patch("engines.spark.connect", connect):
            try:
                yield settings_in
            finally:
                detach()
