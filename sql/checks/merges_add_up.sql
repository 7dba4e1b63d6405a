-- Each merge's titles before, plus new, minus gone, are its titles after.
-- severity: error
-- Grain: one row per merge that does not add up.
-- Inputs -> outputs: ops_merges -> offending rows.
-- Running it twice is safe: it only reads.
WITH followed AS (
    SELECT
        batch_id,
        previous_rows,
        inserted,
        reappeared,
        deleted,
        current_rows,
        lag(current_rows, 1, 0) OVER (ORDER BY snapshot_at) AS rows_before
    FROM ops_merges
)

SELECT
    batch_id,
    previous_rows,
    inserted,
    reappeared,
    deleted,
    current_rows,
    rows_before
FROM followed
WHERE previous_rows + inserted + reappeared - deleted <> current_rows
    OR previous_rows <> rows_before;
