-- The snapshots of the history, the oldest first.
SELECT
    batch_id,
    snapshot_at,
    current_rows
FROM ops_merges
ORDER BY snapshot_at;
