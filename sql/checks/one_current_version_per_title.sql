-- No title has two current versions.
-- broken: A title has two current versions.
-- severity: error
-- scope: touched
SELECT
    title_id,
    count(*) AS versions
FROM analytics_netflix_history
WHERE is_current
GROUP BY title_id
HAVING count(*) > 1;
