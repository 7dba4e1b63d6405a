-- The counts of the merge that was made last.
-- Grain: one row.
-- Inputs -> outputs: ops_merges -> the result set.
-- Running it twice is safe: it only reads.
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
