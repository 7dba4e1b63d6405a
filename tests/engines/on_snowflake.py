"""Snowflake for the tests: its own client, and the server of fakesnow in an environment of its own.

What fakesnow cannot show: JavaScript functions (fake_snowflake.py stands in for them), times,
costs and concurrency, and how the engine itself reads a regular expression or a plan.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import served


@contextmanager
def started() -> Iterator[Callable[[Path], dict[str, str]]]:
    """A server; gives the settings of a warehouse in a database named as a folder is."""
    with served("snowflake", "snowflake.connector") as port:
        options = f"host=127.0.0.1&port={port}&protocol=http&network_timeout=10"
        yield lambda root: {
            "WAREHOUSE": "snowflake",
            "SNOWFLAKE_URL": f"snowflake://u:p@a/{database(root)}/netflix?{options}",
        }


def database(root: Path) -> str:
    return "dw_" + root.parent.name.replace("-", "_")
