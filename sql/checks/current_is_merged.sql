-- Current comes from the staged snapshot, except for titles that were carried forward.
-- broken: Current does not come from the staged snapshot.
-- severity: error
SELECT
    staging_counts.batch_id AS staged_batch,
    merges.batch_id AS merged_batch,
    merges.current_rows AS merged_rows,
    (SELECT count(*) FROM analytics_netflix_current) AS current_rows
FROM staging_counts
LEFT JOIN (
    SELECT
        batch_id,
        current_rows
    FROM ops_merges
    ORDER BY snapshot_at DESC
    LIMIT 1
) AS merges ON true
WHERE getvariable('last_run_status') = 'done'
    AND (
        merges.batch_id IS DISTINCT FROM staging_counts.batch_id
        OR merges.current_rows <> (SELECT count(*) FROM analytics_netflix_current)
    );
