"""Inspect a catalogue file before it is loaded: encoding, columns, keys, and what is odd in them.

Reads:   the source (NETFLIX_CSV, or the FILE given), sql/contract.toml
Writes:  a report on stdout, and the file that --output names; temporary files in TMPDIR. It takes
         no lock and leaves no record.
Fails when: there is no such file, or it is not a CSV with a header that the contract knows (exit
         20).

Example: python python/01_inspect_data.py titles.csv --output profile.html
"""

import shutil
import sys
from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from unicodedata import category, east_asian_width

import duckdb
import pandas as pd

from config import Settings, load_settings
from errors import DONE, SettingsError, StepError, exit_code
from ingest.profile import Profile, list_facts, profile_source, tabulate_warnings
from runner import signals
from runner.console import (
    BOLD,
    FORMULA_START,
    PLAIN,
    YELLOW,
    plural,
    printable,
    say,
    say_error,
    show_progress,
)
from runner.files import replace_atomically
from runner.options import make_parser
from staging.foresee import foresee

NAME_WIDTH = 24
SUFFIXES = (".csv", ".html", ".parquet")
PAGE = '<!DOCTYPE html><meta charset="utf-8"><title>Profile of a catalogue file</title>\n{}\n'


def run(settings: Settings, output: Path | None = None, propose: bool = False) -> None:
    """Profile the source, save the result if an output is named, and print the report.

    With `propose`, save or print a contract instead.
    """
    suffixes = (".toml",) if propose else SUFFIXES
    if output and output.suffix not in suffixes:
        raise SettingsError(f"--output {output} must end in one of {', '.join(suffixes)}")
    with show_progress("inspect"):
        profile = profile_source(settings, foresee)
    if propose and output:
        with replace_atomically(output) as temporary:
            temporary.write_text(profile.proposal, encoding="utf-8")
    if propose:
        proposal = profile.proposal.rstrip()
        say(f"the contract with what is proposed: {output}" if output else proposal)
        return
    if output:
        save_profile(profile, output)
    print_profile(profile, shutil.get_terminal_size((100, 24)).columns)


def save_profile(profile: Profile, output: Path) -> None:
    """Write the table of columns, escaped as on the terminal; HTML also has facts and warnings."""
    source = profile.delivery.path
    if output.exists() and source.exists() and output.samefile(source):
        raise SettingsError(f"--output {output} is the file that is inspected")
    columns = profile.columns.loc[:, :"examples"]
    columns["examples"] = columns["examples"].map(" | ".join)
    columns[["column", "examples"]] = columns[["column", "examples"]].map(printable)
    with replace_atomically(output) as temporary:
        if output.suffix == ".parquet":
            columns.to_parquet(temporary, index=False)
        elif output.suffix == ".csv":  # a spreadsheet must show its cells and never run them
            columns = columns.replace(FORMULA_START, r"'\g<0>", regex=True)
            columns.to_csv(temporary, index=False, encoding="utf-8")
        else:
            facts = pd.Series(list_facts(profile)).to_frame().map(printable)
            tables = [facts.to_html(header=False), columns.to_html(index=False, na_rep="")]
            tables.append(tabulate_warnings(profile).map(printable).to_html(index=False))
            temporary.write_text(PAGE.format("\n".join(tables)), encoding="utf-8")


def print_profile(profile: Profile, width: int) -> None:
    for label, fact in list_facts(profile).items():
        say(f"{label:<9}  {printable(fact)}")
    heading, *lines = draw_table(profile, width)
    say("\n" + heading, BOLD)
    for line in lines:
        say(line)
    warnings = tabulate_warnings(profile)
    say(f"\n{plural(len(warnings), 'warning')}", PLAIN if warnings.empty else YELLOW)
    for column, warning in warnings.itertuples(index=False):
        say(f"  {printable(f'{column}: {warning}' if column else warning)}", YELLOW)


def draw_table(profile: Profile, width: int) -> list[str]:
    """Draw one line per column that has a name or a value, each at most `width` wide."""
    columns = profile.columns.query("is_named or filled > 0")
    rows, digits = list(columns.itertuples()), len(str(columns["position"].max()))
    about = "" if columns["distinct_is_exact"].all() else "~"
    cells = pd.DataFrame(
        {
            "filled": [f"{row.filled_pct:.1f} %" for row in rows],
            "distinct": [f"{about}{row.distinct:,}" for row in rows],
            "length": [f"{r.shortest:,}-{r.longest:,}" if r.filled else "" for r in rows],
        },
        [f"{row.position:>{digits}}  {cut(printable(row.column), NAME_WIDTH)}" for row in rows],
    )
    cells.columns.name = "#".rjust(digits) + "  column"
    with pd.option_context("display.unicode.east_asian_width", True):
        heading, *lines = cells.to_string(col_space=[8, 9, 7]).split("\n")
    room = width - len(heading) - 2
    examples = [fit([printable(value) for value in row.examples], room) for row in rows]
    pairs = zip([heading, *lines], ["examples", *examples], strict=True)
    return ["  ".join(pair).rstrip() for pair in pairs]


def fit(values: list[str], room: int) -> str:
    """Put the values side by side; if they are too long, cut the longest ones to one length."""

    def join(limit: int) -> str:
        return " | ".join(cut(value, limit) for value in values)

    limits = range(1, room + 1)
    return join(max(bisect_right(limits, room, key=lambda limit: measure(join(limit))[-1]), 1))


def cut(text: str, room: int) -> str:
    ends = measure(text)
    if ends[-1] <= room:
        return text
    return text[: bisect_right(ends, room - 1) - 1] + "\N{HORIZONTAL ELLIPSIS}"


def measure(text: str) -> list[int]:
    """Count terminal columns up to each character: wide letters take two, combining marks none."""
    wide = ((category(c) not in ("Mn", "Me")) * (1 + (east_asian_width(c) in "WF")) for c in text)
    return list(accumulate(wide, initial=0))


def main(arguments: list[str] | None = None) -> int:
    """Print the report; return one of the exit codes in errors.py."""
    parser = make_parser(__doc__)
    parser.add_argument("file", nargs="?", metavar="FILE", help="a path or a URL, not NETFLIX_CSV")
    parser.add_argument("--output", type=Path, help="a .csv, .parquet or .html to save it in")
    parser.add_argument("--propose", action="store_true", help="print a contract that fits better")
    given = parser.parse_args(arguments)
    signals.watch("inspect")
    try:
        settings = load_settings()
        if given.file is not None:
            source = given.file if "://" in given.file else str(Path(given.file).absolute())
            settings = replace(settings, netflix_csv=source)
        run(settings, given.output, given.propose)
    except (StepError, OSError, duckdb.Error) as error:
        say_error(f"inspect   failed: {printable(str(error).splitlines()[0])}")
        return exit_code(error)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
