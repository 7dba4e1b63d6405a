"""Read a mirror again and again while it is written; say which reads were not of one night.

    python poll_mirror.py MIRROR READS < expected.json

Each read takes two tables in the versions that published.json names. Expected: version -> table ->
digest. It prints how many nights it saw, then a line for each read that was wrong.
"""

import json
import sys
from pathlib import Path
from random import Random

from mirrors import digests, mirror_rows, read_published

root, reads = Path(sys.argv[1]), int(sys.argv[2])
expected, dice, seen = json.load(sys.stdin), Random(32), set()
wrong = []
for number in range(reads):
    publication = read_published(root)
    version, tables = publication["version"], publication["tables"]
    two = {name: tables[name] for name in dice.sample(sorted(tables), 2)}
    seen.add(version)
    for name, found in digests(mirror_rows(root, publication | {"tables": two})).items():
        if list(found) != expected[version][name]:
            wrong.append(f"read {number}: {name} is not that of {version}")
print(len(seen), *wrong, sep="\n")
