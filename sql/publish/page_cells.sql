-- Counts the titles of the newest snapshot and the one before, by what the page filters and draws.
-- Grain: one row per type, release year, month added, rating, countries and genres; coarser by
--   the session variables page_countries, page_genres (names of a list, 0: all), page_yearly and
--   page_decades.
-- Inputs -> outputs: analytics_netflix_history, page_snapshots -> temp table page_cells.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE page_cells AS
WITH newest AS (
    SELECT
        arg_max(batch_id, snapshot) AS batch_id,
        max(snapshot) AS snapshot
    FROM page_snapshots
),

versions AS (
    SELECT
        coalesce(history."type", 'Unknown') AS "type",
        CASE
            WHEN getvariable('page_decades') THEN history.release_year // 10 * 10
            ELSE history.release_year
        END AS "year",
        CASE
            WHEN getvariable('page_yearly') THEN date_trunc('year', history.date_added)
            ELSE date_trunc('month', history.date_added)
        END AS added,
        coalesce(history.rating, 'Unknown') AS rating,
        CASE
            WHEN getvariable('page_countries') = 0 THEN coalesce(history.country, 'Unknown')
            ELSE split_part(coalesce(history.country, 'Unknown'), ', ', 1)
        END AS countries,
        CASE getvariable('page_genres')
            WHEN 0 THEN coalesce(history.listed_in, 'Unknown')
            WHEN 1 THEN split_part(coalesce(history.listed_in, 'Unknown'), ', ', 1)
            ELSE regexp_extract(coalesce(history.listed_in, 'Unknown'), '^[^,]*(, [^,]*)?')
        END AS genres,
        history.is_current AS is_now,
        history.batch_id != newest.batch_id AS was_before,
        history.batch_id = newest.batch_id
        AND newest.snapshot > 0
        AND history.operation IN ('update', 'fill') AS is_changed,
        coalesce(history.end_operation = 'delete', false) AS is_gone
    FROM analytics_netflix_history AS history
    CROSS JOIN newest
    WHERE history.is_current OR history.end_batch_id = newest.batch_id
)

SELECT
    "type",
    "year",
    added,
    rating,
    countries,
    genres,
    count(*) FILTER (WHERE is_now) AS titles,
    count(*) FILTER (WHERE was_before) AS titles_before,
    count(*) FILTER (WHERE is_now AND NOT was_before AND NOT is_changed) AS new_titles,
    count(*) FILTER (WHERE is_now AND is_changed) AS changed_titles,
    count(*) FILTER (WHERE is_gone) AS gone_titles
FROM versions
GROUP BY "type", "year", added, rating, countries, genres;
