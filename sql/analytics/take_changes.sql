-- Lists what the newest merge began and ended, to build it into the star schema.
-- Grain: star_changes one row per title version that began or ended.
-- Inputs -> outputs: analytics_netflix_history, session variable snapshot_at (of that merge) ->
--   temp tables star_changes and known_names; fact_title_catalog (what ended is closed).
-- Running it twice is safe: a fact that is closed stays closed.
CREATE OR REPLACE TEMP TABLE known_names AS
SELECT
    name,
    country_key
FROM dim_country_name;

CREATE OR REPLACE TEMP TABLE star_changes AS
SELECT
    version_id AS title_key,
    "type",
    release_year,
    date_added,
    rating,
    duration_minutes,
    seasons,
    country,
    listed_in,
    "cast",
    director,
    valid_from,
    valid_to,
    is_current,
    true AS is_begun
FROM analytics_netflix_history
WHERE valid_from = getvariable('snapshot_at')
UNION ALL
SELECT
    version_id AS title_key,
    "type",
    release_year,
    date_added,
    rating,
    duration_minutes,
    seasons,
    country,
    listed_in,
    "cast",
    director,
    valid_from,
    valid_to,
    is_current,
    false AS is_begun
FROM analytics_netflix_history
WHERE valid_to = getvariable('snapshot_at');

UPDATE fact_title_catalog
SET
    valid_to_key = ended.valid_to_key,
    is_current = false
FROM (
    SELECT
        title_key,
        date_key(CAST(valid_to AS DATE)) AS valid_to_key
    FROM star_changes
    WHERE NOT is_begun
) AS ended
WHERE fact_title_catalog.title_key = ended.title_key;
