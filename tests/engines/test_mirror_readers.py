"""A Delta mirror, read by an engine that shares no line with what wrote it: Sail."""

import time
from pathlib import Path

import on_spark
import pytest
from conftest import make_once
from mirrors import Mirrored, digests, live_three_nights, read_published, sort

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def remote() -> str:
    pytest.importorskip("deltalake", reason="`make setup-test` installs it")
    with on_spark.started() as server:
        yield server(Path("/nowhere"))["SPARK_REMOTE"]


def test_sail_reads_each_night_of_a_delta_mirror_as_it_was_published(
    remote, tmp_path, tmp_path_factory, monkeypatch
):
    from pyspark.sql import SparkSession

    monkeypatch.setenv("TZ", "UTC")  # the client gives times in the machine's zone
    time.tzset()
    nights = make_once(tmp_path_factory, "three_nights", live_three_nights)
    mirror = Mirrored(tmp_path, nights, "delta")
    spark = SparkSession.builder.remote(remote).getOrCreate()
    for night in range(3):
        assert mirror.run(night).returncode == 0
        found = {
            name: sort(
                tuple(row)
                for row in spark.read.format("delta")
                .option("versionAsOf", entry["version"])
                .load(str(mirror.root / name))
                .collect()
            )
            for name, entry in read_published(mirror.root)["tables"].items()
        }
        assert digests(found) == digests(mirror.published()), night
    spark.stop()
