-- How many titles a snapshot changes, by operation.
SELECT
    operation,
    count(*) AS titles,
    count_if(is_content_changed) AS content_changed
FROM merge_changes
GROUP BY operation;
