-- Hardly a title is without a genre.
-- severity: warn
-- warn_if: > 20
-- Grain: one row per title without one.
-- Inputs -> outputs: analytics_netflix_current -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE listed_in IS NULL;
