"""A publisher with another format: inspect foresees it, the steps say so, one line fixes it."""

import shutil
import tomllib

import pytest
from conftest import CHAIN, catalogue, title

ROWS = 24  # more than may be set aside or lost

# what is odd: (column, value of all titles, the line of the contract that answers it; '' for none)
CASES = {
    "month first": ("date_added", "9/25/2021", 'formats = ["%m/%d/%Y"]'),
    "day first": ("date_added", "25/9/2021", 'formats = ["%d/%m/%Y"]'),
    "either first": ("date_added", "1/5/2021", 'formats = ["%m/%d/%Y"]  # or %d/%m/%Y'),
    "month first, two digits": ("date_added", "9/25/21", 'formats = ["%m/%d/%y"]'),
    "dots": ("date_added", "25.09.2021", 'formats = ["%d.%m.%Y"]'),
    "dots, two digits": ("date_added", "25.09.21", 'formats = ["%d.%m.%y"]'),
    "dashes": ("date_added", "25-09-2021", 'formats = ["%d-%m-%Y"]'),
    "no signs": ("date_added", "20210925", 'formats = ["%Y%m%d"]'),
    "a short month with a dot": ("date_added", "Sep. 9, 2021", 'formats = ["%b. %d, %Y"]'),
    "two digits behind a comma": ("date_added", "January 5, 21", 'formats = ["%B %d, %y"]'),
    "a weekday": ("date_added", "Friday, May 7, 2021", 'formats = ["%A, %B %d, %Y"]'),
    "a time zone": ("date_added", "2021-09-25T03:00:00Z", 'formats = ["%Y-%m-%dT%H:%M:%SZ"]'),
    "minutes of the day": ("date_added", "9/25/2021 0:00", 'formats = ["%m/%d/%Y %H:%M"]'),
    "no date at all": ("date_added", "soon", ""),
    "the year one": ("date_added", "0001-01-01", ""),
    "a date that is missing": ("date_added", "N/A", 'null_markers = ["N/A"]'),
    "types in lower case": ("type", "movie", 'values = { "movie" = "Movie" }'),
    "types in upper case": ("type", "MOVIE", 'values = { "MOVIE" = "Movie" }'),
    "another word for shows": ("type", "SHOW", 'values = { "SHOW" = "TV Show" }'),
    "series": ("type", "TV Series", 'values = { "TV Series" = "TV Show" }'),
    "an underscore": ("type", "tv_show", 'values = { "tv_show" = "TV Show" }'),
    "a type nobody knows": ("type", "Podcast", ""),
    "bare minutes": ("duration", "90", 'unit = "minutes"'),
    "bare minutes of a data frame": ("duration", "90.0", 'unit = "minutes"'),
    "hours and minutes": ("duration", "1:30", ""),
    "no minutes": ("duration", "0 min", None),
    "a year in words": ("release_year", "MMXX", ""),
    "a year far ahead": ("release_year", "3000", ""),
    "a year with a day": ("release_year", "2020-01-01", ""),
    "NA": ("director", "NA", 'null_markers = ["NA"]'),
    "MySQL's": ("cast", r"\N", r'null_markers = ["\\N"]'),
    "nan": ("country", "nan", 'null_markers = ["nan"]'),
    "NULL": ("listed_in", "NULL", 'null_markers = ["NULL"]'),
    "None": ("director", "None", 'null_markers = ["None"]'),
    "a dash": ("cast", "-", 'null_markers = ["-"]'),
    "zero": ("director", "0", 'null_markers = ["0"]'),
    "Not Given": ("country", "Not Given", 'null_markers = ["Not Given"]'),
    "brackets": ("listed_in", "['Dramas', 'Crime']", "brackets = true"),
    "double quotes": ("country", '["France", "Chile"]', "brackets = true"),
    "pipes": ("listed_in", "Dramas|Crime", 'separator = "|"'),
    "semicolons": ("cast", "Ann Lee; Bo Ek", 'separator = ";"'),
    "no title": ("title", "", ""),
    "a rating of others": ("rating", "16+", None),
    "garbled": ("director", "JÃ¸rgensen", None),
}


@pytest.mark.parametrize("name", CASES)
def test_inspect_foresees_what_the_steps_say_and_its_line_fixes_it(pipeline, name):
    column, value, line = CASES[name]
    source = pipeline.put(catalogue(*(title(n, **{column: value}) for n in range(1, ROWS))))
    foreseen = pipeline.step("01_inspect_data", source)
    assert foreseen.returncode == 0, foreseen.stderr
    warnings = [row for row in foreseen.stdout.splitlines() if row.startswith("  ")]
    named = [row for row in warnings if value in row or repr(value)[1:-1] in row or line is None]
    assert any(column in row for row in named), warnings
    for part in (line or "").splitlines():
        assert any(part in row for row in warnings), warnings

    done = pipeline.steps(*CHAIN, NETFLIX_CSV=source)
    if done.returncode == 0:
        assert "monitor   warn: " in done.stderr
        assert value in done.stderr or repr(value)[1:-1] in done.stderr, done.stderr
    else:
        assert done.returncode in (20, 30)
        assert value in done.stderr or repr(value)[1:-1] in done.stderr, done.stderr
        for part in (line or "").splitlines():
            assert part in done.stderr
    if not line:
        return
    proposed = pipeline.step("01_inspect_data", source, "--propose")
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(proposed.stdout, "contract.toml")
    assert pipeline.step("01_inspect_data", source).stdout.splitlines()[-1] == "0 warnings"
    shutil.rmtree(
        pipeline.root / "data"
    )  # what was merged by another contract is not what this tests
    (pipeline.root / "dw.db").unlink()
    repaired = pipeline.steps(*CHAIN, NETFLIX_CSV=source)
    assert repaired.returncode == 0, repaired.stderr
    assert pipeline.query("SELECT count(*) FROM analytics_netflix_current") == [(ROWS - 1,)]


def test_an_entry_is_proposed_for_each_column_that_the_contract_does_not_name(pipeline):
    extra = {
        "Score": "7.5",
        "votes": "12",
        "seen": "yes",
        "note": "a",
        "año": "a",
        "empty": "",
        "row hash": "1",
    }
    extra["<b>"] = "1"
    shown = pipeline.step(
        "01_inspect_data", pipeline.put(catalogue(title(1, **extra))), "--propose"
    )
    types = {
        "score": "number",
        "votes": "integer",
        "seen": "boolean",
        "note": "text",
        '"año"': "text",
    }
    entries = [f'# [columns.{name}]\n# type = "{kind}"\n' for name, kind in types.items()]
    assert shown.stdout.endswith("An entry takes a column in:\n" + "".join(entries))
    assert tomllib.loads(shown.stdout), "they are comments: a person decides"


@pytest.mark.slow
def test_a_file_of_many_deviations_loads_by_the_proposed_contract(pipeline):
    """Each pass of inspect lets in what the next looks at: names, then types, then values."""
    theirs = {
        "type": "SHOW",
        "date_added": "9/25/2021",
        "duration": "90",
        "listed_in": "['drama', 'crime']",
        "country": "US|FR",
        "director": "NA",
    }
    header = catalogue(title(1)).splitlines()[0].replace("listed_in", "genres")
    header = header.replace("show_id", "imdb_id").replace("release_year", "year")
    records = [title(number, **theirs) for number in range(1, ROWS)]
    source = pipeline.put(catalogue(*records, header=header))
    output = pipeline.root / "mine.toml"
    done = pipeline.step("01_inspect_data", source, "--propose", "--output", str(output))
    assert (done.returncode, "mine.toml" in done.stdout) == (0, True)
    loaded = pipeline.steps(*CHAIN, NETFLIX_CSV=source, CONTRACT_PATH=str(output))
    assert loaded.returncode == 0, loaded.stderr
    assert pipeline.query(
        'SELECT DISTINCT "type", director, country, date_added::VARCHAR, duration_minutes, '
        "listed_in FROM analytics_netflix_current"
    ) == [("TV Show", None, "US, FR", "2021-09-25", 90, "drama, crime")]
