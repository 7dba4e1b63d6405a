-- A version begins, and ends after it began.
-- broken: A version has no beginning, or ends before it.
-- severity: error
-- scope: touched
SELECT
    title_id,
    valid_from,
    valid_to
FROM analytics_netflix_history
WHERE valid_from IS NULL OR valid_to <= valid_from;
