"""Make up a streaming catalogue: a CSV like the real file, with known defects and known changes.

The same (rows, day, seed, shares) give the same bytes. Day D + 1 is day D with some titles
inserted, some corrected and some deleted; every other title keeps its line byte for byte.

Reads:   sql/sample.sql (vocabulary, state, CSV text)
Writes:  <name>.csv and <name>.truth.json: how many of each defect were planted, which keys changed
         since the day before, and the SHA-256 of the CSV
Fails when: an option is out of range, real files were landed in this data folder, or the target
         exists and may not come from this script (exit 2, nothing written)

Example: python python/00_make_sample_data.py --rows 500 --day 2    or    make sample ROWS=500
"""

import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from config import SQL, Settings, load_settings
from errors import DONE, SettingsError, StepError
from runner import signals
from runner.console import YELLOW, say, say_error, show_progress
from runner.files import replace_atomically, sha256
from runner.lock import hold_lock
from runner.options import make_parser

if TYPE_CHECKING:
    import duckdb

    from ingest.manifest import Batch

SQL_FILE = SQL / "sample.sql"
COLUMNS = (
    "show_id,type,title,director,cast,country,"
    "date_added,release_year,rating,duration,listed_in,description"
)
HEADER = f"{COLUMNS}{',' * 14}\r\n".encode()  # the real file has 14 columns without name or value
# One record in N has the defect. The real file's rate is in brackets; the sample has more, so that
# a file of the default size has enough of each to find a rule that works by luck.
ONE_IN = {
    "cp1252": 1_000,  # [1 in 8,809] a line in Windows-1252 inside a UTF-8 file
    "line_feed": 1_000,  # [2 in 8,809] a line feed inside a quoted title or description
    "duration_in_rating": 1_000,  # [3 in 8,809] "74 min" under rating, duration empty
    "leading_blank": 100,  # [88 in 8,809] " August 4, 2017"
    "stray_comma": 500,  # [8 in 8,809] ", South Korea" or "United States,"
    "missing_date": 900,  # [10 in 8,809]
}
# Of yesterday's titles, per day. The real catalogue moved by 10 % in two months.
INSERTS, UPDATES, DELETES = 0.005, 0.01, 0.002
PART_ROWS = 2 * 122_880  # ids per query: about 100 MB of text in two row groups, one per core
FETCH_ROWS = 20_000  # lines fetched at a time
MAX_ROWS, MAX_DAY, MAX_SEED = 100_000_000, 3_650, 2**32 - 1
MAX_LISTED_LINES, MAX_LISTED_KEYS = 100, 1_000  # the truth stays readable for a large file


class SampleError(SettingsError):
    """The options are wrong, or the sample may not be written or removed."""


def run(
    out: Path,
    rows: int = 10_000,
    day: int = 1,
    seed: int = 42,
    *,
    inserts: float = INSERTS,
    updates: float = UPDATES,
    deletes: float = DELETES,
    force: bool = False,
) -> dict:
    """Write the catalogue of one day to `out` and its truth next to it; return the truth.

    `rows` is the number of records on day 1. The shares (0 to 1) are of the titles of the day
    before; a share above 0 means at least one title. Raises SampleError before it writes anything.
    """
    out, truth_file = Path(out), Path(out).with_suffix(".truth.json")
    options = {"inserts": inserts, "updates": updates, "deletes": deletes}
    _check(out, rows, day, seed, options)
    if not force:
        _refuse_foreign_file(out, truth_file)

    import duckdb  # only if there is something to make: `make run-all` asks every night

    with duckdb.connect() as con:
        con.execute("SET VARIABLE seed = ?", [seed])
        con.execute("SET VARIABLE one_in = ?", [ONE_IN])
        con.execute(SQL_FILE.read_text(encoding="utf-8"))
        last_id, changes = _play_days(con, rows, day, options)

        truth = {
            "file": out.name,
            "made_with": {"rows": rows, "day": day, "seed": seed, **options},
            "changes": changes,  # against the day before; null on day 1
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(out) as temporary, temporary.open("wb") as file:
            file.writelines(_csv_parts(con, last_id, truth))
    with replace_atomically(truth_file) as temporary:
        temporary.write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return truth


def _check(out: Path, rows: int, day: int, seed: int, shares: dict[str, float]) -> None:
    limits: dict[str, tuple[float, int, int]] = {k: (share, 0, 1) for k, share in shares.items()}
    limits |= {"rows": (rows, 1, MAX_ROWS), "day": (day, 1, MAX_DAY), "seed": (seed, 0, MAX_SEED)}
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:  # also refuses NaN
            raise SampleError(f"--{name} is {value}, expected {low} to {high}")
    if shares["updates"] + shares["deletes"] > 1:
        raise SampleError("--updates and --deletes together are more than the whole catalogue (1)")
    if out.suffix != ".csv" or out.is_dir():
        raise SampleError(f"--out is {out}, expected a file name that ends in .csv")


def _refuse_foreign_file(out: Path, truth_file: Path) -> None:
    """Raise SampleError for a file that this script did not write: it may be real data."""
    if not out.exists():
        return
    try:
        expected = json.loads(truth_file.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        expected = None
    with out.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            raise SampleError(
                f"{out} exists and {truth_file.name} does not name its SHA-256: it may be real "
                "data. Choose another --out, or replace it with --force"
            )


def _play_days(
    con: "duckdb.DuckDBPyConnection", rows: int, day: int, shares: dict[str, float]
) -> tuple[int, dict | None]:
    """Bring the state to `day`; return the last id, and what changed that day (None on day 1)."""
    con.execute("INSERT INTO titles SELECT id, 1 FROM range(1, ?) AS r (id)", [rows + 1])
    next_id, changes = rows + 1, None
    for today in range(2, day + 1):
        ((living,),) = con.execute("SELECT count(*) FROM titles").fetchall()
        n_in, n_up, n_del = (_at_least_one(share, living) for share in shares.values())
        new = range(next_id, next_id + n_in)
        next_id = new.stop
        con.execute(
            "CREATE OR REPLACE TEMP TABLE tonight AS FROM picked(?, ?, ?)", [today, n_del, n_up]
        )
        con.execute("DELETE FROM titles WHERE id IN (SELECT id FROM tonight WHERE is_deleted)")
        con.execute(
            "INSERT INTO corrections SELECT id, ?, field FROM tonight WHERE NOT is_deleted", [today]
        )
        con.execute(
            "INSERT INTO titles SELECT id, ? FROM range(?, ?) AS r (id)",
            [today, new.start, new.stop],
        )
        if today == day:
            tonight = con.execute("SELECT id, is_deleted FROM tonight ORDER BY id").fetchall()
            changes = {
                "inserted": _keys(list(new)),
                "updated": _keys([id for id, is_deleted in tonight if not is_deleted]),
                "deleted": _keys([id for id, is_deleted in tonight if is_deleted]),
            }
    con.execute("CREATE OR REPLACE TEMP TABLE living AS FROM living_titles()")
    return next_id - 1, changes


def _at_least_one(share: float, n: int) -> int:
    return max(1, round(share * n)) if share else 0


def _keys(ids: list[int]) -> dict:
    """Return the count, and the keys if they are few enough to read (else null)."""
    keys = [f"s{id}" for id in ids] if len(ids) <= MAX_LISTED_KEYS else None
    return {"count": len(ids), "keys": keys}


def _csv_parts(con: "duckdb.DuckDBPyConnection", last_id: int, truth: dict) -> Iterator[bytes]:
    """Yield the file's bytes; after the last part, `truth` has the counts of what was yielded."""
    digest, lines, size, in_cp1252 = hashlib.sha256(), 0, 0, []
    counts: Counter[str] = Counter()
    for text in _texts(con, last_id, counts):
        part, line_numbers = _encode_marked_lines(text)
        in_cp1252 += [lines + n for n in line_numbers]
        digest.update(part)
        lines += part.count(b"\n")
        size += len(part)
        yield part
    truth |= {"sha256": digest.hexdigest(), "bytes": size, "lines": lines, **counts}
    truth["cp1252_lines"] = {"count": len(in_cp1252), "first": in_cp1252[:MAX_LISTED_LINES]}


def _texts(con: "duckdb.DuckDBPyConnection", last_id: int, counts: Counter) -> Iterator[bytes]:
    """Yield the file as UTF-8 with marked lines, and add what is in it to `counts`."""
    yield HEADER
    for first_id in range(1, last_id + 1, PART_ROWS):
        con.execute("DROP TABLE part")  # before the next is built: one part in memory, not two
        con.execute(
            "CREATE TEMP TABLE part AS FROM sample_part(?, ?)",
            [first_id, first_id + PART_ROWS - 1],
        )
        cursor = con.execute("FROM counts_of_part()")
        names = [column[0] for column in cursor.description]
        counts.update(dict(zip(names, cursor.fetchall()[0], strict=True)))
        cursor = con.execute("SELECT line FROM part")
        while batch := cursor.fetchmany(FETCH_ROWS):
            yield "".join(line for (line,) in batch).encode()


def _encode_marked_lines(text: bytes) -> tuple[bytes, list[int]]:
    """Encode the lines that start with 0x01 in Windows-1252; also return their numbers, from 1."""
    head, *marked = text.split(b"\x01")
    pieces, line_numbers, lines = [head], [], head.count(b"\n")
    for piece in marked:
        line, end, rest = piece.partition(b"\r\n")
        pieces += [line.decode().encode("cp1252"), end, rest]
        line_numbers.append(lines + 1)
        lines += piece.count(b"\n")
    return b"".join(pieces), line_numbers


def remove(settings: Settings) -> int:
    """Remove the sample and all that came of it. Raises SampleError if a real file was landed."""
    from publish.versions import remove_versions
    from warehouse.places import remove_warehouse

    with hold_lock(settings):
        batches = require_samples_only(settings, "nothing was removed")
        remove_versions(settings.published, {batch.batch_id for batch in batches})
        csv = settings.default_csv
        truth = csv.with_suffix(".truth.json")
        if truth.exists():
            expected = json.loads(truth.read_bytes())["sha256"]
            if csv.exists() and sha256(csv) == expected:
                csv.unlink()
            truth.unlink()
        for folder in (settings.snapshots, settings.decisions):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (settings.manifest, settings.latest):
            path.unlink(missing_ok=True)
        remove_warehouse(settings.warehouse_path)
    say("sample    removed, with its snapshots, its warehouse and what was published of it")
    return DONE


def require_samples_only(settings: Settings, outcome: str) -> "list[Batch]":
    from ingest.manifest import read_batches
    from ingest.state import loaded_state

    batches = read_batches(settings)
    if loaded_state(settings).problems or not all(batch.sample for batch in batches):
        raise SampleError(f"real files were landed in {settings.data_dir}; {outcome}")
    return batches


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="titles on day 1 (%(default)s)")
    parser.add_argument("--day", type=int, default=1, help="which night's file (%(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="another catalogue (%(default)s)")
    parser.add_argument("--out", type=Path, help="DATA_DIR/raw/netflix_titles.csv")
    for name, share in (("inserts", INSERTS), ("updates", UPDATES), ("deletes", DELETES)):
        parser.add_argument(f"--{name}", type=float, default=share, help="a day (%(default)s)")
    for name, text in (
        ("force", "replace a file made by something else"),
        ("if-missing", "only if there is no input file and NETFLIX_CSV is not set"),
        ("remove", "remove the sample, its snapshots and its warehouse"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    options = vars(parser.parse_args(argv))
    signals.watch("sample")
    try:
        settings = load_settings()
        if options.pop("remove"):
            return remove(settings)
        if not options["out"]:
            options["out"] = settings.default_csv
            require_samples_only(settings, "name another folder: make sample DATA_DIR=...")
        if options.pop("if_missing"):
            if settings.netflix_csv or settings.default_csv.exists():
                return DONE
            say(
                f"sample    There is no input file {options['out']}, so this run uses MADE-UP "
                "sample data.\n          Put the real catalogue there, or set NETFLIX_CSV to where "
                "it is, and run again.",
                YELLOW,
            )
        with show_progress("sample"):
            truth = run(**options)
    except StepError as error:
        say_error(f"sample    stopped: {error}")
        return error.exit_code
    say(f"sample    {truth['rows']:>11,} rows  {options['out']}, day {options['day']}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
