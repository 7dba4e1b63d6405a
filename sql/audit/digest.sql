-- Sums up the history in one pass: hashes of all rows, and of those of the last audit, as they were
-- (a version that ended since was open): if equal, no value of them was changed. Counts current.
-- Grain: audit_sums one row. Its names have a blank, which no column of the contract has.
-- Inputs -> outputs: analytics_netflix_history, variable audited_at -> temp table audit_sums.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE audit_sums AS
WITH versions AS (
    SELECT
        "column",  -- each column, not show_id
        hash(business_key, row_hash) AS "key and content",
        valid_from,
        valid_to,
        is_current,
        end_operation,
        end_batch_id,
        hash(
            version_id,
            title_id,
            business_key,
            "column",  -- each stored column
            row_hash,
            repairs,
            source_line,
            batch_id,
            operation,
            valid_from
        ) AS content
    FROM analytics_netflix_history
)

SELECT
    count("column") FILTER (WHERE is_current) AS "column",  -- each column, not show_id
    count(*) FILTER (WHERE is_current) AS "all titles",
    sum("key and content") FILTER (WHERE is_current) AS "digest of current",
    coalesce(
        sum(hash(content, valid_to, is_current, end_operation, end_batch_id)), 0
    ) AS "digest now",
    coalesce(
        sum(
            CASE
                WHEN valid_to > getvariable('audited_at')
                    THEN hash(
                        content, CAST(NULL AS TIMESTAMP), true, CAST(NULL AS VARCHAR),
                        CAST(NULL AS VARCHAR)
                    )
                ELSE hash(content, valid_to, is_current, end_operation, end_batch_id)
            END
        ) FILTER (WHERE valid_from IS NULL OR valid_from <= getvariable('audited_at')),
        0
    ) AS "digest then"
FROM versions;
