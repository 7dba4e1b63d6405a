-- What the columns of the source did, of late: at most 20 changes, the newest first.
SELECT
    kind,
    column_name,
    detail,
    strftime(seen_at, '%Y-%m-%dT%H:%M:%SZ') AS seen_at
FROM ops_schema_changes
ORDER BY seen_at DESC, kind, column_name
LIMIT 20;
