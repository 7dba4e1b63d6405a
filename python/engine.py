"""DuckDB for the nightly steps, without what they do not use.

`import duckdb` takes 130 ms, of which 75 ms read the package's own version number and set up the
DB-API type objects. Seven processes a night need neither, so they import the engine itself; where
a release should name it otherwise, the package is the fallback.
"""

try:
    import _duckdb as duckdb
except ImportError:
    import duckdb

DuckDBPyConnection = duckdb.DuckDBPyConnection

__all__ = ["DuckDBPyConnection", "duckdb"]
