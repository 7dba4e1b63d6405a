-- Says whether staging and current hold the same titles with the same content, none of them carried
-- forward or without a value that it must have.
WITH staged AS (
    SELECT
        sum(hash(business_key, row_hash)) AS digest,
        count(*) FILTER (
            WHERE false
            OR "column" IS NULL AND 'column' IN getvariable('not_null_columns')  -- each column
        ) AS incomplete
    FROM staging_netflix_titles
)

SELECT
    staged.digest = audit_sums."digest of current"
    AND staged.incomplete = 0
    AND (SELECT arg_max(carried, snapshot_at) FROM ops_merges) = 0 AS is_staged
FROM staged
CROSS JOIN audit_sums;
