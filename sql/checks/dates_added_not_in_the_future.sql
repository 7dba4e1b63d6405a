-- No title was added after the day of the check.
-- broken: A title was added after the day of the check.
-- severity: warn
-- scope: begun
-- way_out: ask the publisher; see the title's file and line with `make why KEY=...`
SELECT
    title_id,
    title,
    date_added
FROM analytics_netflix_current
WHERE date_added > CAST(getvariable('checked_at') AS DATE) + INTERVAL 1 DAY;
