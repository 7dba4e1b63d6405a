-- The titles of now and of the snapshot before, counted by what the page filters and draws.
-- Grain: one row per combination of type, release year, month added, rating, countries and genres.
-- Inputs -> outputs: analytics_netflix_history, ops_merges -> temp table page_cube.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE page_cube AS
WITH newest AS (
    SELECT
        arg_max(batch_id, snapshot_at) AS batch_id,
        max(snapshot_at) AS snapshot_at
    FROM ops_merges
),

versions AS (
    SELECT
        coalesce(history."type", 'Unknown') AS "type",
        CAST(history.release_year AS INTEGER) AS release_year,
        strftime(history.date_added, '%Y-%m') AS added,
        coalesce(history.rating, 'Unknown') AS rating,
        coalesce(history.country, 'Unknown') AS countries,
        coalesce(history.listed_in, 'Unknown') AS genres,
        history.is_current AS is_now,
        history.valid_from < newest.snapshot_at AS was_before,
        history.is_current
        AND history.batch_id = newest.batch_id
        AND history.operation IN ('update', 'fill') AS is_changed,
        coalesce(history.end_operation = 'delete', false) AS is_gone
    FROM analytics_netflix_history AS history
    CROSS JOIN newest
    WHERE history.is_current OR history.end_batch_id = newest.batch_id
)

SELECT
    "type",
    release_year,
    added,
    rating,
    countries,
    genres,
    count(*) FILTER (WHERE is_now) AS titles,
    count(*) FILTER (WHERE was_before) AS titles_before,
    count(*) FILTER (WHERE is_now AND NOT was_before AND NOT is_changed) AS new_titles,
    count(*) FILTER (WHERE is_changed) AS changed_titles,
    count(*) FILTER (WHERE is_gone) AS gone_titles
FROM versions
GROUP BY "type", release_year, added, rating, countries, genres;
