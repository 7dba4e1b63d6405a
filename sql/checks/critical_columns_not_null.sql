-- Every staged title has a value where the contract says `nullable = false`.
-- broken: A staged title lacks a value where the contract says `nullable = false`.
-- severity: error
-- scope: staged
SELECT
    business_key,
    title,
    source_line
FROM staging_netflix_titles
WHERE false
    OR "column" IS NULL AND list_contains(getvariable('not_null_columns'), 'column')  -- each column
ORDER BY source_line;
