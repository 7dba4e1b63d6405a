-- A version is current as long as it has no end, and only then.
-- broken: A version is current and has an end, or has none and is not current.
-- severity: error
-- scope: touched
SELECT
    title_id,
    valid_from,
    valid_to,
    is_current,
    end_operation
FROM analytics_netflix_history
WHERE is_current IS DISTINCT FROM (valid_to IS NULL)
    OR (valid_to IS NULL) IS DISTINCT FROM (end_operation IS NULL);
