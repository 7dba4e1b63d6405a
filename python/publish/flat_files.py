"""Write the published data as flat files, for tools that open no database (`make export`).

Only on request: a night does not write them.

Reads:   data/published/netflix.duckdb
Writes:  data/export/<version>/: catalogue.csv (the titles of now, for a spreadsheet: byte order
         mark, no cell is a formula) and the star schema, a Parquet file per table

Example: make export
"""

import os
import shutil
import sys
from contextlib import closing

from config import load_settings
from errors import DONE, NotReady, StepError
from publish.exports import list_published_tables, write_spreadsheet
from runner import signals
from runner.console import say, say_error
from runner.files import sync
from runner.options import read_flags
from warehouse.database import connect, identifier, literal

STAR = ("dim_", "fact_", "bridge_")


def run() -> None:
    settings = load_settings()
    link = settings.published / "current"
    if not link.is_symlink():
        raise NotReady("nothing was published yet; run `make run-all` first")
    version = link.resolve()
    target = settings.data_dir / "export" / version.name
    if target.exists():
        say(f"export    {target}, as before")
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    with (
        signals.at_interrupt(lambda _: shutil.rmtree(temporary, ignore_errors=True)),
        closing(connect(version / "netflix.duckdb", settings, [temporary], read_only=True)) as con,
    ):
        try:
            query = "SELECT * FROM analytics_netflix_current ORDER BY title_id"
            write_spreadsheet(con, query, temporary / "catalogue.csv")
            for name in list_published_tables(con):
                if name.startswith(STAR):
                    con.execute(
                        f"COPY (SELECT * FROM {identifier(name)} ORDER BY ALL) "
                        f"TO {literal(temporary / f'{name}.parquet')} "
                        "(FORMAT parquet, COMPRESSION zstd)"
                    )
            for path in (*temporary.iterdir(), temporary):
                sync(path)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    say(f"export    {len(list(target.iterdir()))} files in {target}")


def main() -> int:
    read_flags(__doc__)
    signals.watch("export")
    try:
        run()
        return DONE
    except StepError as error:
        say_error(f"export    stopped: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
