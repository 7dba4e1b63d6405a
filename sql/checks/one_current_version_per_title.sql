-- No title has two current versions.
-- severity: error
-- Grain: one row per offending title.
-- Inputs -> outputs: analytics_netflix_history -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    count(*) AS versions
FROM analytics_netflix_history
WHERE is_current
GROUP BY title_id
HAVING count(*) > 1;
