-- A title's versions do not overlap, and an update leaves no gap.
-- broken: A title's versions overlap, or an update left a gap.
-- severity: error
-- scope: touched
WITH followed AS (
    SELECT
        title_id,
        valid_from,
        valid_to,
        end_operation,
        lead(valid_from) OVER (PARTITION BY title_id ORDER BY valid_from) AS next_from
    FROM analytics_netflix_history
)

SELECT
    title_id,
    valid_from,
    valid_to,
    next_from
FROM followed
WHERE next_from < valid_to
    OR (next_from IS NOT NULL AND valid_to IS NULL)
    OR (end_operation = 'update' AND next_from IS DISTINCT FROM valid_to);
