-- The columns are as before, or the contract has those that came, or a person accepted the file.
-- broken: The snapshot's columns changed, and no person accepted the file.
-- severity: warn
-- way_out: nothing, if the contract says what you want; `make inspect` shows how it is bound.
SELECT
    changes.kind,
    changes.column_name,
    changes.detail
FROM ops_schema_changes AS changes
INNER JOIN staging_counts ON changes.batch_id = staging_counts.batch_id
LEFT JOIN ops_merges AS merges ON changes.batch_id = merges.batch_id
WHERE NOT coalesce(merges.accepted, false)
    AND NOT (
        changes.kind = 'added'
        AND list_contains(
            getvariable('contract_names'),
            regexp_replace(lower(trim(changes.column_name)), '[\s_]+', '_', 'g')
        )
    );
