-- No title has two current versions.
-- broken: A title has two current versions.
-- severity: error
SELECT
    title_id,
    count(*) AS versions
FROM analytics_netflix_history
WHERE is_current
GROUP BY title_id
HAVING count(*) > 1;
