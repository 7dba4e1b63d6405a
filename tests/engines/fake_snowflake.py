"""Snowflake for the tests: the server of fakesnow, in an environment of its own.

It runs no JavaScript. In the place of the functions that adapter_snowflake.py makes there, each
session gets a macro of the same name; what is shown is that they are called as they should be.
Two things are corrected: FLATTEN numbers the entries of a list in any order, and a NULL
in a list of times comes as 1970.

    python fake_snowflake.py PORT
"""

import sys
from string import Template

import fakesnow.arrow
import fakesnow.macros
import pyarrow
import uvicorn
from fakesnow.instance import FakeSnow

FUNCTIONS = """
CREATE OR REPLACE TEMP MACRO list_distinct(entries) AS to_json((
    SELECT list(entry ORDER BY place)
    FROM (
        SELECT entry, min(place) AS place
        FROM (
            SELECT unnest(texts) AS entry, generate_subscripts(texts, 1) AS place
            FROM (SELECT CAST(entries AS VARCHAR[]) AS texts)
        )
        GROUP BY entry
    )
));
CREATE OR REPLACE TEMP MACRO list_has_all(words, wanted) AS
    array_has_all(CAST(words AS VARCHAR[]), CAST(wanted AS VARCHAR[]));
"""
FLATTEN = """
CREATE OR REPLACE MACRO ${catalog}._fs_flatten(input) AS TABLE
SELECT
    CAST(0 AS UBIGINT) AS SEQ,
    CAST(NULL AS VARCHAR) AS KEY,
    '[' || (place - 1) || ']' AS PATH,
    CAST(place - 1 AS BIGINT) AS INDEX,
    entry AS VALUE,
    to_json(input) AS THIS
FROM unnest(CAST(to_json(input) AS JSON[])) WITH ORDINALITY AS entries (entry, place)
"""
connect, times = FakeSnow.connect, fakesnow.arrow.timestamp_to_sf_struct


def connect_with_functions(self: FakeSnow, *arguments, **options):
    options["nop_regexes"] = ["CREATE OR REPLACE TEMPORARY FUNCTION"]
    connection = connect(self, *arguments, **options)
    connection._duck_conn.execute(FUNCTIONS)
    return connection


def times_and_nulls(values: pyarrow.ChunkedArray) -> pyarrow.StructArray:
    found = times(values)
    parts = [part.fill_null(0) for part in found.flatten()]
    nulls = values.combine_chunks().is_null()
    return pyarrow.StructArray.from_arrays(parts, fields=list(found.type), mask=nulls)


if __name__ == "__main__":
    FakeSnow.connect = connect_with_functions
    fakesnow.macros.FS_FLATTEN = Template(FLATTEN)
    fakesnow.arrow.timestamp_to_sf_struct = times_and_nulls
    from fakesnow.server import app

    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
