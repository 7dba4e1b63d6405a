-- Each merge's numbers add up, and are those of the versions that it began and ended.
-- broken: A merge's numbers do not add up, or are not those of the versions it began and ended.
-- severity: error
WITH followed AS (
    SELECT
        batch_id,
        snapshot_at,
        previous_rows,
        inserted,
        reappeared,
        updated,
        deleted,
        filled,
        carried,
        unchanged,
        current_rows,
        lag(current_rows, 1, 0) OVER (ORDER BY snapshot_at) AS rows_before
    FROM ops_merges
),

begun AS (
    SELECT
        valid_from,
        count(*) FILTER (WHERE operation = 'insert') AS inserted,
        count(*) FILTER (WHERE operation = 'reappear') AS reappeared,
        count(*) FILTER (WHERE operation = 'update') AS updated,
        count(*) FILTER (WHERE operation = 'fill') AS filled
    FROM analytics_netflix_history
    GROUP BY valid_from
),

gone AS (
    SELECT
        valid_to,
        count(*) AS deleted
    FROM analytics_netflix_history
    WHERE end_operation = 'delete'
    GROUP BY valid_to
)

SELECT
    followed.batch_id,
    followed.previous_rows,
    followed.rows_before,
    followed.current_rows,
    followed.carried,
    followed.unchanged,
    followed.inserted,
    begun.inserted AS inserted_versions,
    followed.reappeared,
    begun.reappeared AS reappeared_versions,
    followed.updated,
    begun.updated AS updated_versions,
    followed.filled,
    begun.filled AS filled_versions,
    followed.deleted,
    gone.deleted AS deleted_versions
FROM followed
LEFT JOIN begun ON followed.snapshot_at = begun.valid_from
LEFT JOIN gone ON followed.snapshot_at = gone.valid_to
WHERE followed.previous_rows <> followed.rows_before
    OR followed.previous_rows + followed.inserted + followed.reappeared - followed.deleted
    <> followed.current_rows
    OR followed.updated + followed.deleted + followed.filled + followed.carried
    + followed.unchanged <> followed.previous_rows
    OR followed.inserted <> coalesce(begun.inserted, 0)
    OR followed.reappeared <> coalesce(begun.reappeared, 0)
    OR followed.updated <> coalesce(begun.updated, 0)
    OR followed.filled <> coalesce(begun.filled, 0)
    OR followed.deleted <> coalesce(gone.deleted, 0);
