-- Recent changes of the source's columns: at most 20, the newest first.
SELECT
    kind,
    column_name,
    detail,
    strftime(seen_at, '%Y-%m-%dT%H:%M:%SZ') AS seen_at
FROM ops_schema_changes
ORDER BY seen_at DESC, kind, column_name
LIMIT 20;
