-- Sums of hashes of the history's rows: of all, and of those that the last audit saw as they were
-- then (a version that ended since was open). Equal sums: no value of them was changed since.
WITH versions AS (
    SELECT
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
    coalesce(
        sum(hash(content, valid_to, is_current, end_operation, end_batch_id)), 0
    ) AS digest,
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
    ) AS digest_then
FROM versions;
