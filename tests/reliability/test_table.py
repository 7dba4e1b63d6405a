"""The generated table itself."""

import json
from pathlib import Path

import table


def test_lines_of_one_fault_become_one_row(tmp_path: Path, monkeypatch) -> None:
    results = tmp_path / "results.jsonl"
    row = ["Disk", "a | b", "02", "raw <stopped>", "20", "old state", 2, "test_x"]
    results.write_text(json.dumps(row) + "\n" + json.dumps([*row[:4], "1", *row[5:]]) + "\n")
    monkeypatch.setattr(table, "TARGET", tmp_path / "out.md")
    assert table.main(results) == 0
    text = (tmp_path / "out.md").read_text()
    assert "| a \\| b | 02 | raw &lt;stopped> | 1, 20 | old state | 4 |" in text


def test_the_same_faults_through_other_tools_are_a_table_of_their_own() -> None:
    lines = table.through_peers({"empty | file": {"us": "right", "them 1.0": "<silent>"}})
    assert "| case | us | them 1.0 |" in lines
    assert "| empty \\| file | right | &lt;silent> |" in lines
