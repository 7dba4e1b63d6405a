-- The snapshot's columns did not change, or a person accepted the file.
-- severity: warn
-- Grain: one row per change.
-- Inputs -> outputs: ops_schema_changes, staging_counts, ops_merges -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    changes.kind,
    changes.column_name,
    changes.detail
FROM ops_schema_changes AS changes
INNER JOIN staging_counts AS books ON changes.batch_id = books.batch_id
LEFT JOIN ops_merges AS merges ON changes.batch_id = merges.batch_id
WHERE NOT coalesce(merges.accepted, false);
