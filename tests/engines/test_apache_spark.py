"""The pipeline on Apache Spark itself (Java) and on DuckDB: its own planner, its own catalogue.

The tests are those of test_engines.py. Delta's jar is not on PyPI, so the tables are of Parquet
files (without_delta.py), and kills are not tested: what recovers from them is Delta's.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from both import Both, side_by_side
from conftest import PROJECT
from serving import free_port, wait_for

sqlglot = pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
pytest.importorskip("pyspark", reason="no pyspark: make test-engines installs it")
from test_engines import (  # noqa: E402, F401 - they run here, too, with the fixture `both` below
    test_a_new_column_is_filled_without_changing_titles,
    test_cleaning_and_quarantine,
    test_the_real_pair_of_snapshots,
)
from without_delta import changed_rows, tables_of_parquet  # noqa: E402

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]  # of the client
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
# The catalogue lasts as long as the server. Few rows want few parts, and little compiled; each
# session's tasks would ask the server for most of Spark's own classes.
OPTIONS = {
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of .venv-apache. Skips where that, or Java, is missing."""
    if not shutil.which("java"):
        pytest.skip("no Java")
    python = PROJECT / ".venv-apache/bin/python"
    homes = list(PROJECT.glob(".venv-apache/lib/python*/site-packages/pyspark"))
    if not homes:
        pytest.skip(f"no pyspark in {python}: make test-engines ENGINES=apache installs it")
    folder, port = tmp_path_factory.mktemp("apache"), free_port()
    options = OPTIONS | {
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.warehouse.dir": str(folder / "tables"),
    }
    settings = [word for option in options.items() for word in ("--conf", "=".join(option))]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [homes[0] / "bin/spark-submit", *settings, "--class", CONNECT, "spark-internal"],
            env={**os.environ, "SPARK_HOME": str(homes[0]), "PYSPARK_PYTHON": str(python)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(port, process)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def both(server: str, tmp_path: Path) -> Iterator[Both]:
    """The same pipeline on DuckDB, and on the server, in whose catalogue nothing is left."""
    both = side_by_side(tmp_path, lambda _: {"WAREHOUSE": "spark", "SPARK_REMOTE": server})
    with both.other.warehouse() as con:
        for name, is_view in list(con.objects()):
            con.result(f"DROP {'VIEW' if is_view else 'TABLE'} {name}")
    with tables_of_parquet():
        yield both


def test_a_merge_that_does_more_than_update_is_refused():
    """What without_delta.py does not do, it does not leave out either."""
    sql = "MERGE INTO t USING s ON t.x = s.x WHEN MATCHED THEN DELETE"
    for more in ("", " WHEN NOT MATCHED THEN INSERT (x) VALUES (s.x)"):
        with pytest.raises(NotImplementedError, match="more than update"):
            changed_rows(None, sqlglot.parse_one(sql + more, dialect="spark"))
