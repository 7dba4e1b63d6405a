-- What the columns of the source did, of late.
-- Grain: one row per change of the schema, the newest first, at most 20.
-- Inputs -> outputs: ops_schema_changes -> the result set.
-- Running it twice is safe: it only reads.
SELECT
    kind,
    column_name,
    detail,
    strftime(seen_at, '%Y-%m-%d %H:%M') AS seen_at
FROM ops_schema_changes
ORDER BY seen_at DESC, kind, column_name
LIMIT 20;
