-- Movies last minutes, TV shows seasons.
-- severity: warn
-- Grain: one row per offending title.
-- Inputs -> outputs: analytics_netflix_current -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    "type",
    title,
    duration
FROM analytics_netflix_current
WHERE ("type" = 'Movie' AND seasons IS NOT NULL)
    OR ("type" = 'TV Show' AND duration_minutes IS NOT NULL);
