-- Updates the ids of the open versions (CDC_KEY=title), where a new id does not make a new title.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: merge_input, merge_changes, session variable missing_columns ->
--   analytics_netflix_history (only business_key and show_id: a wide UPDATE would rewrite it all).
-- Running it twice is safe: the values are the same.
UPDATE analytics_netflix_history
SET
    business_key = new.business_key,
    show_id = CASE
        WHEN list_contains(getvariable('missing_columns'), 'show_id')
            THEN analytics_netflix_history.show_id
        ELSE new.show_id
    END
FROM (
    SELECT
        moved.title_id,
        moved.business_key,
        moved.show_id
    FROM merge_input AS moved
    INNER JOIN merge_changes AS changes ON moved.title_id = changes.title_id
    WHERE changes.operation = 'level'
) AS new
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = new.title_id;
