-- Every version of the titles that the session variable `wanted` names.
SELECT
    title_id,
    show_id,
    "column",  -- each identity column
    operation,
    valid_from,
    valid_to,
    batch_id,
    source_line,
    repairs,
    end_operation,
    end_batch_id
FROM analytics_netflix_history
WHERE title_id IN (
    SELECT named.title_id
    FROM analytics_netflix_history AS named
    WHERE getvariable('wanted') IN (named.title_id, named.show_id, named.business_key, named.title)
)
ORDER BY title_id, valid_from;
