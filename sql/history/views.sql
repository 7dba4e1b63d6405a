-- Creates the views over the history.
-- Grain: analytics_netflix_current one row per live title; cdc_netflix_changes one per changed
--   column, or inserted, deleted or reappeared title.
-- Inputs -> outputs: analytics_netflix_history, ops_merges -> the two views.
-- Running it twice is safe: views are replaced.

CREATE OR REPLACE VIEW analytics_netflix_current AS
SELECT
    title_id,
    "column",  -- each stored column
    version_id,
    valid_from,
    batch_id,
    source_line,
    row_hash
FROM analytics_netflix_history
WHERE is_current;

CREATE OR REPLACE VIEW cdc_netflix_changes AS
WITH compared AS (
    SELECT
        columns.column_name,
        new.batch_id,
        new.title_id,
        new.valid_from AS changed_at,
        new.operation,
        CASE columns.column_name
            WHEN 'column' THEN CAST(old."column" AS VARCHAR)  -- each column
        END AS old_value,
        CASE columns.column_name
            WHEN 'column' THEN CAST(new."column" AS VARCHAR)  -- each column
        END AS new_value
    FROM analytics_netflix_history AS new
    INNER JOIN analytics_netflix_history AS old
        ON new.title_id = old.title_id
        AND new.valid_from = old.valid_to
        AND old.end_operation = 'update'  -- keeps titles that never changed out of the join
    INNER JOIN ops_merges AS merges ON new.batch_id = merges.batch_id
    CROSS JOIN (
        VALUES
            ('column'),  -- each column, not show_id
            ('show_id')
    ) AS columns (column_name)
    WHERE new.operation IN ('update', 'fill')
        AND ' ' || merges.tracked_columns || ' ' LIKE '% ' || columns.column_name || ' %'
)

SELECT
    batch_id,
    changed_at,
    title_id,
    operation,
    column_name,
    old_value,
    new_value
FROM compared
WHERE old_value IS DISTINCT FROM new_value
UNION ALL
SELECT
    batch_id,
    valid_from AS changed_at,
    title_id,
    operation,
    NULL AS column_name,
    NULL AS old_value,
    title AS new_value
FROM analytics_netflix_history
WHERE operation NOT IN ('update', 'fill')
UNION ALL
SELECT
    end_batch_id AS batch_id,
    valid_to AS changed_at,
    title_id,
    'delete' AS operation,
    NULL AS column_name,
    title AS old_value,
    NULL AS new_value
FROM analytics_netflix_history
WHERE end_operation = 'delete';
