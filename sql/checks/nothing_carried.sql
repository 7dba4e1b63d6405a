-- No title is carried forward because its record is unreadable or could be several titles.
-- broken: A title is carried forward: its record is unreadable or could be several titles.
-- severity: warn
-- scope: staged
-- way_out: see staging_netflix_quarantine and ops_ambiguous_matches; a good record ends it.
WITH last_merge AS (
    SELECT
        batch_id,
        carried
    FROM ops_merges
    ORDER BY snapshot_at DESC
    LIMIT 1
),

staged AS (
    SELECT
        business_key,
        row_hash
    FROM staging_netflix_titles
    WHERE (SELECT last_merge.carried FROM last_merge) > 0
),

-- By key and content, as in current_equals_staging.
kept AS (
    SELECT
        live.title_id,
        live.show_id,
        live.title
    FROM analytics_netflix_history AS live
    ANTI JOIN staged ON live.business_key = staged.business_key AND live.row_hash = staged.row_hash
    WHERE live.is_current AND (SELECT last_merge.carried FROM last_merge) > 0
)

SELECT
    kept.title_id,
    kept.show_id,
    kept.title,
    last_merge.carried AS titles_in_all,
    last_merge.batch_id
FROM last_merge
LEFT JOIN kept ON true
WHERE last_merge.carried > 0
ORDER BY kept.title_id;
