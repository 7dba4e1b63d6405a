"""Make tests/RELIABILITY.md from what the tests reported: python table.py <results.jsonl>."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb

TESTS = Path(__file__).resolve().parent.parent
TARGET = TESTS / "RELIABILITY.md"
PEERS = TESTS / "peers" / "results.json"
HEAD = (
    "fault", "where injected", "what the user sees", "exit code", "state afterwards", "times"
)  # fmt: skip


def main(results: Path) -> int:
    rows: dict[tuple[str, str, str], dict] = {}
    for text in results.read_text(encoding="utf-8").splitlines():
        area, fault, where, sees, code, after, times, test = json.loads(text)
        row = rows.setdefault(
            (area, fault, where),
            {"sees": sees, "codes": {}, "after": {}, "times": 0, "test": test},
        )
        row["codes"].update(dict.fromkeys(code.split(", ")))
        row["after"].update(dict.fromkeys([after]))
        row["times"] += times
    trials = sum(row["times"] for row in rows.values())
    lines = [
        "# What was done to it, and what was left",
        "",
        "Made by `make reliability`: each line was reported by a test named below its table,",
        f"after its assertions had passed. {len(rows)} faults, {trials:,} trials; "
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}.",
    ]
    for area in dict.fromkeys(key[0] for key in sorted(rows)):
        lines += ["", f"## {area}", "", f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|---:|"]
        tests = {}
        for (its_area, fault, where), row in sorted(rows.items()):
            if its_area == area:
                codes = ", ".join(sorted(row["codes"]))
                cells = (fault, where, row["sees"], codes, "; ".join(row["after"]), row["times"])
                lines.append(f"| {' | '.join(map(cell, cells))} |")
                tests[row["test"]] = None
        lines += ["", "By " + ", ".join(f"`{test}`" for test in tests) + "."]
    if PEERS.is_file():
        lines += through_peers(json.loads(PEERS.read_text(encoding="utf-8")))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(rows)} faults")
    return 0


def through_peers(results: dict[str, dict[str, str]]) -> list[str]:
    """What tests/peers/compare.py found: a row per case, a column per tool."""
    tools = list(next(iter(results.values())))
    lines = ["", "## The same faults through other tools", ""]
    lines += ["By `make peers`; how each is set up stands in tests/peers/compare.py.", ""]
    lines += [f"| case | {' | '.join(tools)} |", "|---" * (len(tools) + 1) + "|"]
    for case, found in results.items():
        lines.append(f"| {' | '.join(map(cell, (case, *(found[tool] for tool in tools))))} |")
    return lines


def cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
