-- The counts of the merge that was made last.
SELECT
    previous_rows,
    inserted,
    reappeared,
    updated,
    deleted,
    unchanged,
    carried
FROM ops_merges
ORDER BY snapshot_at DESC
LIMIT 1;
