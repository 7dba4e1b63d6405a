-- Current has the staged titles, and those carried forward over unreadable or ambiguous records.
-- broken: Current and staged titles differ in more than those that were carried forward.
-- severity: error
-- scope: staged
WITH live AS (
    SELECT
        business_key,
        row_hash
    FROM analytics_netflix_history
    WHERE is_current
),

-- By key and content: the key of a title carried forward may be another's now (CDC_KEY=title).
compared AS (
    SELECT
        coalesce(staged.business_key, live.business_key) AS business_key,
        CASE WHEN live.business_key IS NULL THEN 'not in current' ELSE 'not in staging' END
            AS difference
    FROM staging_netflix_titles AS staged
    FULL JOIN live
        ON staged.business_key = live.business_key AND staged.row_hash = live.row_hash
    WHERE staged.business_key IS NULL OR live.business_key IS NULL
),

ambiguous AS (
    SELECT ops_ambiguous_matches.business_key
    FROM ops_ambiguous_matches
    INNER JOIN staging_batch ON ops_ambiguous_matches.batch_id = staging_batch.batch_id
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
LEFT JOIN ambiguous ON compared.business_key = ambiguous.business_key
WHERE getvariable('last_run_status') = 'done'
    AND (
        (compared.difference = 'not in current' AND ambiguous.business_key IS NULL)
        OR (
            SELECT count(*) FROM compared AS missing WHERE missing.difference = 'not in staging'
        ) > kept.titles
    );
