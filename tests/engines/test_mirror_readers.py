"""A mirror, read by engines that share no line with what wrote it: Sail, Apache Spark."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import on_apache
import on_spark
import pytest
from conftest import make_once, slow
from mirrors import (
    Mirrored,
    digests,
    live_ten_nights,
    live_the_real_pair,
    live_three_nights,
    read_published,
    sort,
)

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]  # of the clients


@pytest.fixture(scope="module", params=["three_nights", *slow("ten_nights", "real_pair")])
def nights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make = {"three_nights": live_three_nights, "ten_nights": live_ten_nights}.get(request.param)
    make = make or partial(live_the_real_pair, request.getfixturevalue("real_data"))
    return make_once(tmp_path_factory, request.param, make)


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark's clients give times in the machine's zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_sail_reads_each_night_of_a_delta_mirror_as_it_was_published(in_utc, tmp_path, nights):
    pytest.importorskip("deltalake", reason="`make setup-test` installs it")
    with on_spark.started() as server:
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.remote(server(tmp_path)["SPARK_REMOTE"]).getOrCreate()
        assert_reads_each_night(
            Mirrored(tmp_path, nights, "delta"),
            lambda path, version: (
                spark.read.format("delta").option("versionAsOf", version).load(str(path))
            ),
        )
        spark.stop()


@pytest.mark.slow
def test_apache_spark_reads_each_night_of_an_iceberg_mirror(in_utc, tmp_path, nights):
    pytest.importorskip("pyiceberg", reason="`make setup-test` installs it")
    with on_apache.started():
        spark = on_apache.attach()
        assert_reads_each_night(
            Mirrored(tmp_path, nights, "iceberg"),
            lambda _, version: spark.read.format("iceberg").load(version),
        )


def assert_reads_each_night(mirror: Mirrored, read: Callable[[Path, Any], Any]) -> None:
    for night in range(len(mirror.nights)):
        assert mirror.run(night).returncode == 0
        found = {
            name: sort(tuple(row) for row in read(mirror.root / name, entry["version"]).collect())
            for name, entry in read_published(mirror.root)["tables"].items()
        }
        assert digests(found) == digests(mirror.published()), night
