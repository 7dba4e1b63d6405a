"""What a table holds, as two numbers that are the same on every engine."""

import hashlib
from decimal import Decimal

from warehouse.database import Warehouse, identifier

FETCHED_ROWS = 10_000
DIGITS = 9  # of a number with a fraction, behind the point


def table_digest(con: Warehouse, table: str, columns: list[str]) -> tuple[int, int]:
    """(rows, sum of the SHA-256 of each row): the order of the rows makes no difference."""
    names = ", ".join(map(identifier, columns))
    cursor = con.execute(f"SELECT {names} FROM {table}")
    count, total = 0, 0
    while rows := cursor.fetchmany(FETCHED_ROWS):
        count += len(rows)
        for row in rows:
            text = repr([normalise_number(value) for value in row])
            total += int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
    return count, total % 2**128


def normalise_number(value: object) -> object:
    """Engines give numbers with a fraction as float or Decimal."""
    return round(float(value), DIGITS) if isinstance(value, (float, Decimal)) else value
