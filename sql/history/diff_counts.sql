-- How many titles a snapshot changes, by operation.
SELECT
    operation,
    count(*) AS titles
FROM merge_changes
GROUP BY operation;
