-- No title was added after the day of the check.
-- broken: A title was added after the day of the check.
-- severity: warn
SELECT
    title_id,
    title,
    date_added
FROM analytics_netflix_current
WHERE date_added > CAST(getvariable('checked_at') AS DATE) + INTERVAL 1 DAY;
