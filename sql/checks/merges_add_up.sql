-- Each merge's titles before, plus new, minus gone, are its titles after.
-- broken: A merge's titles before, plus new, minus gone, are not its titles after.
-- severity: error
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
