-- What the newest merge changed: new, gone and changed titles, old and new value.
-- Grain: one row per change, at most 2,000; changes says how many there are.
-- Inputs -> outputs: kpi_last_changes -> the result set.
-- Running it twice is safe: it only reads.
SELECT
    operation,
    title_id,
    title,
    column_name,
    old_value,
    new_value,
    count(*) OVER () AS changes
FROM kpi_last_changes
ORDER BY operation, title, title_id, column_name
LIMIT 2000;
