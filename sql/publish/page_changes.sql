-- What the newest merge changed: new, gone and changed titles, old and new value.
-- Grain: one row per change, at most 2,000; changes says how many there are.
-- Inputs -> outputs: cdc_netflix_changes, analytics_netflix_history, ops_merges -> the result set.
-- Running it twice is safe: it only reads.
WITH merges AS (
    SELECT
        arg_max(batch_id, snapshot_at) AS batch_id,
        count(*) AS merged
    FROM ops_merges
),

names AS (
    SELECT
        title_id,
        arg_max(title, valid_from) AS title
    FROM analytics_netflix_history
    GROUP BY title_id
)

SELECT
    changes.operation,
    changes.title_id,
    names.title,
    changes.column_name,
    changes.old_value,
    changes.new_value,
    count(*) OVER () AS changes
FROM cdc_netflix_changes AS changes
INNER JOIN merges ON changes.batch_id = merges.batch_id
INNER JOIN names ON changes.title_id = names.title_id
WHERE merges.merged > 1
ORDER BY changes.operation, names.title, changes.column_name
LIMIT 2000;
