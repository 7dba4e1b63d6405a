-- A few of a snapshot's changes: up to five of each operation, ten in all, updates first.
WITH numbered AS (
    SELECT
        operation,
        title_id,
        column_name,
        old_value,
        new_value,
        row_number() OVER (PARTITION BY operation ORDER BY title_id, column_name) AS place
    FROM cdc_netflix_changes
    WHERE batch_id = getvariable('batch_id')
)

SELECT
    operation,
    title_id,
    column_name,
    coalesce(new_value, old_value) AS title,
    old_value,
    new_value
FROM numbered
WHERE place <= 5
ORDER BY operation DESC, place
LIMIT 10;
