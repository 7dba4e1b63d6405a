-- What changed with each version of the titles that the session variable `wanted` names.
SELECT
    title_id,
    changed_at,
    operation,
    column_name,
    old_value,
    new_value
FROM cdc_netflix_changes
WHERE title_id IN (
    SELECT named.title_id
    FROM analytics_netflix_history AS named
    WHERE getvariable('wanted') IN (named.title_id, named.show_id, named.business_key, named.title)
)
ORDER BY title_id, changed_at, column_name;
