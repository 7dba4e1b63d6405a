"""A reader of the published copy, as a dashboard is one: a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Opens the newest copy again and again, until a line comes in or nobody listens any more.
AGAIN_AND_AGAIN = """
import json, select, sys, duckdb
from pathlib import Path
place, seen = Path(sys.argv[1]), []
while not select.select([sys.stdin], [], [], 0.05)[0]:
    with duckdb.connect(str(place / "netflix.duckdb"), read_only=True) as con:
        counts = con.execute(
            "SELECT (SELECT sum(titles) FROM kpi_movies_vs_tv), "
            "(SELECT count(*) FROM analytics_netflix_current)"
        ).fetchone()
    seen.append([int(count) for count in counts])
    assert (place / "dictionary.md").read_text().endswith("|\\n")
print(json.dumps(seen))
"""


@contextmanager
def reading(place: Path) -> Iterator[list[int]]:
    """Reads data/published meanwhile; the list has the titles it saw each time, at the end.

    Each time all parts must have been whole, and of one version.
    """
    seen: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-c", AGAIN_AND_AGAIN, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as reader:
        yield seen
        out, err = reader.communicate("stop\n")
    assert (reader.returncode, err) == (0, ""), err
    for by_kpi, there in json.loads(out):
        assert by_kpi == there
        seen.append(there)


@contextmanager
def holding(place: Path) -> Iterator[Callable[[], int]]:
    """A reader that keeps the copy open that it finds; gives what tells the titles in it."""
    with duckdb.connect(str(place / "netflix.duckdb"), read_only=True) as con:
        yield lambda: con.execute("SELECT sum(titles) FROM kpi_movies_vs_tv").fetchone()[0]
