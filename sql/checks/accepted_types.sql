-- Every title is a movie or a TV show.
-- severity: error
-- Grain: one row per offending title.
-- Inputs -> outputs: analytics_netflix_current -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    "type",
    title
FROM analytics_netflix_current
WHERE "type" IS NULL OR "type" NOT IN ('Movie', 'TV Show');
