-- Live titles whose key now belongs to another title or to none: the source was renumbered.
WITH moved AS (
    SELECT
        old."column",  -- each identity column
        old.business_key AS old_key
    FROM merge_changes AS changes
    INNER JOIN analytics_netflix_history AS old
        ON changes.title_id = old.title_id AND old.is_current
    LEFT JOIN merge_input AS new ON changes.title_id = new.title_id
    WHERE changes.operation IN ('update', 'delete')
        AND (
            false
            OR new."column" IS DISTINCT FROM old."column"  -- each identity column
        )
)

SELECT
    moved.old_key,
    min(new.business_key) AS new_key,
    moved.title,
    count(*) OVER () AS moved_titles
FROM moved
INNER JOIN merge_input AS new
    ON moved.old_key <> new.business_key
    AND moved."column" IS NOT DISTINCT FROM new."column"  -- each identity column
INNER JOIN merge_changes AS changes
    ON new.title_id = changes.title_id AND changes.operation IN ('insert', 'reappear', 'update')
GROUP BY moved.old_key, moved.title
ORDER BY moved.old_key
LIMIT 5;
