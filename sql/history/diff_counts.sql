-- How many titles a snapshot changes, by operation.
-- Grain: one row per operation.
-- Inputs -> outputs: merge_changes (of history/diff.sql) -> the result set.
-- Running it twice is safe: it only reads.
SELECT
    operation,
    count(*) AS titles,
    count_if(is_content_changed) AS content_changed
FROM merge_changes
GROUP BY operation;
