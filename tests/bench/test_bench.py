"""The bench runs to its end, on the code as it is."""

import re
import sys

import pytest
from conftest import PROJECT

sys.path.insert(0, str(PROJECT / "tests/bench"))

import bench


@pytest.mark.slow
def test_the_bench_measures_every_step_next_to_bare(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "NIGHTS", 2)
    monkeypatch.setattr(bench, "SHARES", (0, 1))
    monkeypatch.setenv("BENCH_DIR", str(tmp_path))
    assert bench.main(tmp_path / "docs", 1, [500]) == 0
    text = (tmp_path / "docs/bench.md").read_text()
    for step in (*bench.STEPS, "**bare**", "**all, by run-all**"):
        times = re.findall(rf"\| {re.escape(step)} \| ([\d.]+) \| ([\d.]+) ", text)
        assert len(times) == 3 and all(float(cpu) > 0 for _, cpu in times), step
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {
        "bench.md", "bench.svg", "changes.svg",
    }  # fmt: skip
