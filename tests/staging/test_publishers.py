"""Other publishers' catalogues load by the contracts in docs/contracts, and count as in pandas.

The files are made up: the headers and the habits are those of public files, the titles are not.
"""

import ast
import io

import pandas as pd
import pytest
from conftest import CHAIN, PROJECT

FILES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((PROJECT / "tests/staging/publishers").glob("*.csv"))
}
COLUMNS = {"country": "production_countries", "listed_in": "genres", "rating": "age_certification"}


def members(value: object) -> list[str]:
    """A list of the file's, counted independently of the pipeline."""
    if not isinstance(value, str) or value == "Not Given":
        return ["Unknown"]
    found = ast.literal_eval(value) if value.startswith("[") else value.split(", ")
    return found or ["Unknown"]


def count(values: pd.Series) -> dict:
    return values.value_counts().to_dict()


@pytest.mark.parametrize("publisher", FILES)
def test_a_publishers_catalogue_loads_by_its_contract_alone(pipeline, publisher):
    pipeline.settings["CONTRACT_PATH"] = str(PROJECT / f"docs/contracts/{publisher}.toml")
    source = pipeline.put(FILES[publisher])
    done = pipeline.steps(*CHAIN, "08_build_analytics", "09_publish", NETFLIX_CSV=source)
    assert done.returncode == 0, done.stderr
    theirs = pd.read_csv(io.StringIO(FILES[publisher]), keep_default_na=False, na_values=[""])
    theirs = theirs[theirs["title"].notna()]
    types = theirs["type"].replace({"MOVIE": "Movie", "SHOW": "TV Show"})

    def kpi(query: str) -> dict:
        return dict(pipeline.query(query))

    assert kpi('SELECT "type", titles FROM kpi_movies_vs_tv') == count(types)
    assert kpi("SELECT release_year, sum(titles) FROM kpi_titles_by_year GROUP BY 1") == count(
        theirs["release_year"]
    )
    for column, view, name in (
        ("country", "kpi_titles_by_country", "country"),
        ("listed_in", "kpi_top_genres", "genre"),
    ):
        lists = theirs[COLUMNS[column] if publisher == "justwatch" else column]
        assert kpi(f"SELECT {name}, titles FROM {view}") == count(lists.map(members).explode())
    added = pd.to_datetime(theirs.get("date_added", pd.Series(dtype=str)), format="mixed")
    assert pipeline.query("SELECT count(date_added) FROM analytics_netflix_current") == [
        (added.notna().sum(),)
    ]
    for name in {"imdb_id", "imdb_score", "imdb_votes", "tmdb_popularity", "tmdb_score"} & {
        *theirs
    }:
        found = [value for (value,) in pipeline.query(f"SELECT {name} FROM dim_title")]
        assert count(pd.Series(found)) == count(theirs[name])
    lost = pipeline.query("SELECT column_name, raw_value FROM staging_lost_in_cast")
    assert lost == []


@pytest.mark.slow
def test_runtimes_ratings_and_moved_durations_mean_what_the_publisher_means(pipeline):
    found = {}
    for publisher in ("justwatch", "amazon_prime", "hulu"):
        pipeline.settings["CONTRACT_PATH"] = str(PROJECT / f"docs/contracts/{publisher}.toml")
        pipeline.settings["DATA_DIR"] = str(pipeline.root / publisher)
        pipeline.settings["WAREHOUSE_PATH"] = str(pipeline.root / "dw.db")
        (pipeline.root / "dw.db").unlink(missing_ok=True)
        assert pipeline.land(FILES[publisher]).returncode == 0
        found[publisher] = pipeline.query(
            "SELECT show_id, rating, duration_minutes, seasons FROM staging_netflix_titles "
            "ORDER BY source_line"
        )
    assert found["justwatch"] == [
        ("ts1", "TV-MA", 51, None), ("tm2", "R", 113, None), ("tm3", None, 0, None),
        ("ts4", "TV-Y", 24, None),
    ]  # fmt: skip
    assert [row[1] for row in found["amazon_prime"]] == [None, "13+", "18+", "ALL", "16+"]
    assert found["hulu"] == [
        ("s1", "TV-MA", None, None), ("s2", None, None, 2), ("s3", None, 94, None),
        ("s4", "NR", 120, None),
    ]  # fmt: skip
