"""One night with dlt: python load_by_dlt.py <csv> <warehouse> <snapshot_at>.

The merge strategy scd2 as dlt's guide shows it: the whole snapshot each time, without a merge key,
so that what is missing counts as gone. The key may not be NULL; the time is the snapshot's.
"""

import csv
import sys

import dlt

file, warehouse, at = sys.argv[1:]


@dlt.resource(
    name="titles",
    columns={"show_id": {"nullable": False, "data_type": "text"}},
    write_disposition={"disposition": "merge", "strategy": "scd2", "boundary_timestamp": at},
)
def titles():
    with open(file, encoding="utf-8", newline="") as handle:
        yield list(csv.DictReader(handle))


pipeline = dlt.pipeline(
    "peer",
    destination=dlt.destinations.duckdb(warehouse),
    dataset_name="peer",
    pipelines_dir=f"{warehouse}.dlt",
)
pipeline.run(titles())
