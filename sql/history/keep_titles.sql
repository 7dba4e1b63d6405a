-- Keeps the catalogue as it is before a replay, to compare the one after it with it.
-- Grain: titles_before one row per live title.
-- Inputs -> outputs: analytics_netflix_current -> temp table titles_before.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE titles_before AS
SELECT
    title_id,
    "type",
    title,
    director,
    "cast",
    country,
    date_added,
    release_year,
    rating,
    duration,
    listed_in,
    description
FROM analytics_netflix_current;
