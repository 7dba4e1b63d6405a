-- No title is older than film or from more than five years ahead.
-- severity: error
SELECT
    title_id,
    title,
    release_year
FROM analytics_netflix_current
WHERE release_year < 1870 OR release_year > year(getvariable('checked_at')) + 5;
