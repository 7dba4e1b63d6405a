-- No two versions have the same id, and each has one.
-- broken: Two versions have the same id, or one has none.
-- severity: error
-- scope: version_ids
SELECT
    version_id,
    count(*) AS versions
FROM analytics_netflix_history
GROUP BY version_id
HAVING count(*) > 1 OR version_id IS NULL;
