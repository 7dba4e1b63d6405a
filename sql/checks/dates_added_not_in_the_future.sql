-- No title was added after the day of the check.
-- severity: warn
-- Grain: one row per offending title.
-- Inputs -> outputs: analytics_netflix_current; session variable checked_at -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    title,
    date_added
FROM analytics_netflix_current
WHERE date_added > CAST(getvariable('checked_at') AS DATE) + INTERVAL 1 DAY;
