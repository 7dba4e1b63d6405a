"""The contract says how a publisher writes values: words, markers, dates, lists, units."""

import pytest
from conftest import PROJECT, catalogue, title

CONTRACT = (PROJECT / "sql" / "contract.toml").read_text()
LIST = "[columns.listed_in]"


def staged(pipeline, column, lines, *records):
    """The column of each title, in the file's order, staged with these lines in the contract."""
    text = CONTRACT.replace(f"[columns.{column}]", f"[columns.{column}]\n{lines}")
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(text, "contract.toml")
    result = pipeline.land(catalogue(*records))
    assert result.returncode == 0, result.stderr
    query = f'SELECT CAST("{column}" AS VARCHAR) FROM staging_netflix_titles ORDER BY source_line'
    return [value for (value,) in pipeline.query(query)]


# column, the contract's lines, value in the file -> value staged
CASES = {
    "a word of the publisher's": ("rating", 'values = { "16+" = "R" }', "16+", "R"),
    "and no other": ("rating", 'values = { "16+" = "R" }', "13+", "13+"),
    "a null marker": ("director", 'null_markers = ["NA"]', "NA", None),
    "one with a backslash": ("director", r"null_markers = ['\N']", r"\N", None),
    "one around an entry": ("country", 'null_markers = ["NA"]', "NA, France,NA", "France"),
    "no part of a word": ("director", 'null_markers = ["NA"]', "NANA", "NANA"),
    "a word for an entry": ("listed_in", 'values = { a = "A" }', "b, a,ab", "b, A, ab"),
    "brackets": ("listed_in", "brackets = true", "['drama', 'crime']", "drama, crime"),
    "brackets, nothing in them": ("listed_in", "brackets = true", "[]", None),
    "brackets, one entry": ("listed_in", "brackets = true", "['drama']", "drama"),
    "brackets, double quotes": ("cast", "brackets = true", '["Bo", "Al"]', "Bo, Al"),
    "brackets, an apostrophe": (
        "listed_in",
        "brackets = true",
        """["kids' tv", 'crime']""",
        "kids' tv, crime",
    ),
    "brackets, an escaped one": ("cast", "brackets = true", r"['O\'Neil', 'Al']", "O'Neil, Al"),
    "brackets, a comma in an entry": ("cast", "brackets = true", "['Bo, Jr.']", "Bo Jr."),
    "brackets, no quotes": ("listed_in", "brackets = true", "[drama, crime]", "drama, crime"),
    "brackets that are not there": ("listed_in", "brackets = true", "a, b", "a, b"),
    "a pipe": ("listed_in", 'separator = "|"', "Drama|Crime | x", "Drama, Crime, x"),
    "a semicolon": ("country", 'separator = ";"', "France; Chile;", "France, Chile"),
    "a comma in an entry": ("cast", 'separator = "|"', "Bo, Jr.|Al", "Bo Jr., Al"),
    "minutes": ("duration", 'unit = "minutes"', "90", "90 min"),
    "minutes of a data frame": ("duration", 'unit = "minutes"', "90.0", "90 min"),
    "seasons": ("duration", 'unit = "seasons"', "2.0", "2 Seasons"),
    "a unit that is there already": ("duration", 'unit = "minutes"', "2 Seasons", "2 Seasons"),
    "day first": ("date_added", 'formats = ["%d/%m/%Y"]', "2/12/2021", "2021-12-02"),
    "month first": ("date_added", 'formats = ["%m/%d/%Y"]', "2/12/2021", "2021-02-12"),
    "two digits behind %Y": (
        "date_added",
        'formats = ["%m/%d/%Y", "%m/%d/%y"]',
        "2/12/21",
        "2021-02-12",
    ),
    "by default a month's name": ("date_added", "", "25-Sep-2021", "2021-09-25"),
    "by default a time behind it": ("date_added", "", "2021-09-01 00:00:00", "2021-09-01"),
    "by default two digits": ("date_added", "", "24-Oct-21", "2021-10-24"),
    "by default an odd case": ("duration", "", "90 MIN", "90 MIN"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_read_as_the_contract_says(pipeline, name):
    column, lines, value, expected = CASES[name]
    records = [title(number, **{column: value}) for number in (1, 2)]
    assert staged(pipeline, column, lines, *records) == [expected, expected]


def test_a_typed_publisher_is_loaded_by_the_contract_alone(pipeline):
    """MOVIE and SHOW, lists in brackets, runtime in minutes: staged as Netflix's would be."""
    lines = {
        "[columns.type]": 'values = { MOVIE = "Movie", SHOW = "TV Show" }',
        LIST: "brackets = true",
        "[columns.duration]": 'unit = "minutes"',
    }
    text = CONTRACT
    for place, line in lines.items():
        text = text.replace(place, f"{place}\n{line}")
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(text, "contract.toml")
    theirs = title(1, type="MOVIE", listed_in="['Dramas', 'Comedies']", duration="90")
    assert pipeline.land(catalogue(theirs, title(2, type="GAME"))).returncode == 0
    assert pipeline.query(
        'SELECT "type", listed_in, duration, duration_minutes FROM staging_netflix_titles'
    ) == [("Movie", "Dramas, Comedies", "90 min", 90)]
    assert pipeline.query("SELECT rule, raw_value FROM staging_netflix_quarantine") == [
        ("unknown_type", "GAME")
    ]


@pytest.mark.parametrize("value", ["January 5, 21", "0001-01-01", "1899-12-31", "May 5, 1066"])
def test_a_day_before_1900_is_lost_and_counted(pipeline, value):
    result = pipeline.land(catalogue(title(1), title(2, date_added=value)))
    assert (result.returncode, "1 lost in cast" in result.stderr) == (0, True)
    assert pipeline.query("SELECT column_name, raw_value FROM staging_lost_in_cast") == [
        ("date_added", value)
    ]


def test_the_durations_and_the_years_are_those_of_the_contract(pipeline):
    text = CONTRACT.replace("minutes = [1, 1440]", "minutes = [0, 60]")
    text = text.replace("earliest = 1870", "earliest = 1950").replace(
        "odd_titles_pct = 5", "odd_titles_pct = 90"
    )
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(text, "contract.toml")
    records = [
        title(1, duration="0 min"),
        title(2, duration="61 min"),
        title(3, release_year="1949"),
    ]
    assert pipeline.land(catalogue(*records)).returncode == 0
    assert pipeline.query("SELECT rule FROM staging_netflix_quarantine") == [
        ("impossible_release_year",)
    ]
    audited = pipeline.step("07_monitor_pipeline")
    assert "warn: durations_in_range, 1 row(s)" in audited.stderr
    assert "title_id=s2" in audited.stderr


@pytest.mark.slow
def test_more_odd_titles_than_the_contract_allows_fail_the_audit(pipeline):
    odd = [title(number, duration="0 min") for number in range(1, 22)]
    source = pipeline.put(catalogue(*odd, title(22)))
    failed = pipeline.all_steps(NETFLIX_CSV=source)
    assert (failed.returncode, "fail: durations_in_range, 21 row" in failed.stderr) == (30, True)
    assert "What to do: `unit`, `minutes` and `seasons` of [columns.duration]" in failed.stderr
    source = pipeline.put(catalogue(*odd[1:], title(22)))
    assert pipeline.all_steps(NETFLIX_CSV=source).returncode == 0


@pytest.mark.slow
def test_the_audiences_of_ratings_are_those_of_the_contract(pipeline):
    text = CONTRACT.replace("kids = [", 'kids = ["ALL", ')
    pipeline.settings["CONTRACT_PATH"] = pipeline.put(text, "contract.toml")
    source = pipeline.put(catalogue(title(1, rating="ALL"), title(2, rating="13+")))
    done = pipeline.all_steps(NETFLIX_CSV=source)
    assert (done.returncode, "rating=13+" in done.stderr) == (0, True)
    assert "rating=ALL" not in done.stderr
    assert pipeline.step("08_build_analytics").returncode == 0
    assert pipeline.query("SELECT rating, audience FROM kpi_titles_by_rating ORDER BY 1") == [
        ("13+", "unrated"),
        ("ALL", "kids"),
    ]
