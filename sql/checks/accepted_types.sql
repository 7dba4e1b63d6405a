-- Every title is a movie or a TV show.
-- severity: error
SELECT
    title_id,
    "type",
    title
FROM analytics_netflix_current
WHERE "type" IS NULL OR "type" NOT IN ('Movie', 'TV Show');
