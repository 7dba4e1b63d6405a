"""DuckDB for the nightly steps, without what they do not use.

`import duckdb` takes 130 ms, of which 75 ms read the package's own version number and set up the
DB-API type objects. Seven processes a night need neither, so they import the engine itself; where
a release should name it otherwise, the package is the fallback.

Where pandas is installed, DuckDB imports it when the first value is bound (0.4 s, for nothing): a
process of a step has none. Then it imports decimal and uuid (15 ms); they are loaded here, so that
the chain of steps loads them once for all.
"""

import decimal  # noqa: F401
import sys
import uuid  # noqa: F401

sys.modules.setdefault("pandas", None)

try:
    import _duckdb as duckdb
except ImportError:
    import duckdb

DuckDBPyConnection = duckdb.DuckDBPyConnection

__all__ = ["DuckDBPyConnection", "duckdb"]
