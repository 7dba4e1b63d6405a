-- Every staged title has a value where the contract says `nullable = false`.
-- broken: A staged title lacks a value where the contract says `nullable = false`.
-- severity: error
SELECT
    business_key,
    title,
    source_line
FROM staging_netflix_titles
WHERE (show_id IS NULL AND list_contains(getvariable('not_null_columns'), 'show_id'))
    OR ("type" IS NULL AND list_contains(getvariable('not_null_columns'), 'type'))
    OR (title IS NULL AND list_contains(getvariable('not_null_columns'), 'title'));
