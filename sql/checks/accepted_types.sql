-- Every title has a type, one that the contract allows.
-- broken: A title has no type, or one that the contract does not allow.
-- severity: error
-- scope: begun
-- way_out: allow the value in the contract (`allowed` of [columns.type]), then `make run-all`.
SELECT
    title_id,
    "type",
    title
FROM analytics_netflix_current
WHERE "type" IS NULL
    OR (
        list_contains(getvariable('closed_columns'), 'type')
        AND NOT list_contains(getvariable('allowed_values'), 'type=' || "type")
    );
