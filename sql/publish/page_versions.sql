-- The versions of all titles from the snapshot that the session variable page_first names on.
SELECT
    history.title_id,
    nullif(history.show_id, history.title_id) AS show_id,
    begun.snapshot AS since,
    coalesce(ended.snapshot, -1) AS until,
    CASE
        WHEN history.operation = 'insert' THEN 0
        WHEN history.operation IN ('update', 'fill') THEN 1
        ELSE 2
    END AS operation,
    CAST(coalesce(history.end_operation = 'delete', false) AS INTEGER) AS is_gone,
    coalesce(history."type", 'Unknown') AS "type",
    coalesce(history.rating, 'Unknown') AS rating,
    history.release_year AS "year",
    date_diff('day', DATE '1970-01-01', history.date_added) AS added,
    coalesce(history.duration_minutes, history.seasons) AS length,
    coalesce(history.country, 'Unknown') AS countries,
    coalesce(history.listed_in, 'Unknown') AS genres,
    history.director,
    history."cast",
    "left"(history.title, getvariable('page_longest')) AS title,
    history.source_line AS line,
    history.repairs
FROM analytics_netflix_history AS history
INNER JOIN page_snapshots AS begun ON history.batch_id = begun.batch_id
LEFT JOIN page_snapshots AS ended ON history.end_batch_id = ended.batch_id
WHERE ended.snapshot IS NULL OR ended.snapshot > getvariable('page_first')
ORDER BY history.title_id, begun.snapshot;
