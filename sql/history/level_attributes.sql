-- Writes new values of columns that are not tracked into the open versions.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: merge_input, merge_changes, session variable attributes (the columns) ->
--   analytics_netflix_history (only rows that differ are touched).
-- Running it twice is safe: the values are the same.
CREATE OR REPLACE TEMP MACRO attribute(new_value, old_value, column_name) AS
    CASE
        WHEN list_contains(getvariable('attributes'), column_name) THEN new_value
        ELSE old_value
    END;

UPDATE analytics_netflix_history AS history
SET
    "column" = attribute(new."column", history."column", 'of column'),  -- each stored column
    is_current = true  -- it is: only for the comma above
FROM (
    SELECT
        changed."column",  -- each stored column
        changed.title_id
    FROM merge_input AS changed
    INNER JOIN merge_changes AS changes ON changed.title_id = changes.title_id
    WHERE changes.operation = 'level'
) AS new
WHERE history.is_current
    AND history.title_id = new.title_id;
