-- The fields that the newest updates changed, at most page_changes of them; long values are cut.
SELECT
    snapshots.snapshot,
    changes.title_id,
    changes.column_name,
    "left"(changes.old_value, getvariable('page_longest')) AS old_value,
    "left"(changes.new_value, getvariable('page_longest')) AS new_value
FROM cdc_netflix_changes AS changes
INNER JOIN page_snapshots AS snapshots ON changes.batch_id = snapshots.batch_id
WHERE
    changes.operation IN ('update', 'fill')
    AND changes.column_name IS NOT NULL
    AND snapshots.snapshot >= getvariable('page_first')
ORDER BY snapshots.snapshot DESC, changes.title_id, changes.column_name
LIMIT getvariable('page_changes');
