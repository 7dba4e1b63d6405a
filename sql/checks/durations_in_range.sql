-- A title lasts 1 to 1,440 minutes, or 1 to 100 seasons.
-- severity: warn
SELECT
    title_id,
    title,
    duration
FROM analytics_netflix_current
WHERE duration_minutes < 1 OR duration_minutes > 1440 OR seasons < 1 OR seasons > 100;
