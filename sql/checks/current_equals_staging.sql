-- Current holds what staging holds, and what is kept over an unreadable record.
-- severity: error
WITH live AS (
    SELECT
        business_key,
        row_hash
    FROM analytics_netflix_history
    WHERE is_current
),

compared AS (
    SELECT
        coalesce(staged.business_key, live.business_key) AS business_key,
        CASE
            WHEN live.business_key IS NULL THEN 'not in current'
            WHEN staged.business_key IS NULL THEN 'not in staging'
            ELSE 'another content'
        END AS difference
    FROM staging_netflix_titles AS staged
    FULL JOIN live ON staged.business_key = live.business_key
    WHERE staged.row_hash IS DISTINCT FROM live.row_hash
),

kept AS (
    SELECT coalesce(arg_max(carried, snapshot_at), 0) AS titles
    FROM ops_merges
)

SELECT
    compared.business_key,
    compared.difference
FROM compared
CROSS JOIN kept
WHERE getvariable('last_run_status') = 'done'
    AND (
        compared.difference <> 'not in staging'
        OR (
            SELECT count(*) FROM compared AS missing WHERE missing.difference = 'not in staging'
        ) > kept.titles
    );
