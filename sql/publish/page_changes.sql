-- What the newest merge changed: new, gone and changed titles, old and new value; at most 2,000.
-- The column changes says how many there are.
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
