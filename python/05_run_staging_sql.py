"""Clean and type the snapshot: raw -> staging_netflix_titles, and what is no title -> quarantine.

Reads:   contract_netflix_titles (the raw snapshot under canonical names), sql/contract.toml
Writes:  staging_netflix_titles, staging_netflix_quarantine, staging_repairs, staging_lost_in_cast
Fails when: more records or values than allowed are set aside or lost, or the books do not balance
         (exit 20; MAX_QUARANTINED_*, MAX_LOST_IN_CAST_*).
"""

import sys

from contract import load_contract
from errors import Refused
from layers import Staged, accepts, newest_batch, stage
from manifest import Batch
from steps import Step, run_step
from warehouse import fetch_sql


def run(step: Step) -> None:
    settings = step.settings
    batch = newest_batch(settings)
    contract = load_contract(settings.contract_path)
    books = stage(step.con, batch, contract)
    step.batch_id, step.rows_in, step.rows_out = batch.batch_id, books.raw, books.staged
    if books.raw != books.staged + books.quarantined + books.duplicates:
        raise Refused(f"the books of staging do not balance: {books}; nothing was changed")
    if not accepts(settings, batch):
        check_limits(step, batch, books)
    step.message = (
        f"{books.raw:,} raw = {books.staged:,} staged + {books.quarantined:,} quarantined "
        f"+ {books.duplicates:,} exact duplicates"
    )
    for name, value in (("quarantined", books.quarantined), ("lost in cast", books.lost_in_cast)):
        if value:
            step.warn(f"{value:,} {name}; see staging_netflix_quarantine, staging_lost_in_cast")


def check_limits(step: Step, batch: Batch, books: Staged) -> None:
    """Stop where more than allowed, by count and by share, was set aside or lost."""
    settings = step.settings
    for what, count, rows, pct in (
        (
            "records cannot be a title and went to the quarantine",
            books.quarantined,
            settings.max_quarantined_rows,
            settings.max_quarantined_pct,
        ),
        (
            "values do not parse as a date, year or duration",
            books.lost_in_cast,
            settings.max_lost_in_cast_rows,
            settings.max_lost_in_cast_pct,
        ),
    ):
        share = 100 * count / max(books.raw, 1)
        if count > rows and share > pct:
            examples = fetch_sql(step.con, "staging_examples.sql")
            lines = "".join(
                f"\n  line {row['source_line']}: {row['rule']}, value {row['raw_value']!r}"
                for row in examples
            )
            raise Refused(
                f"{count:,} {what} ({share:.1f} % of {books.raw:,}), allowed are {rows:,} and "
                f"{pct:g} %; nothing was changed. If it is right: make run-all "
                f"ACCEPT={batch.source_sha256[:12]}{lines}"
            )


if __name__ == "__main__":
    sys.exit(run_step("staging", run))
