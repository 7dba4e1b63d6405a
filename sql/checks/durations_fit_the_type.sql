-- Movies last minutes, TV shows seasons.
-- severity: warn
SELECT
    title_id,
    "type",
    title,
    duration
FROM analytics_netflix_current
WHERE ("type" = 'Movie' AND seasons IS NOT NULL)
    OR ("type" = 'TV Show' AND duration_minutes IS NOT NULL);
