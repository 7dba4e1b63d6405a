-- The newest snapshot is not older than FRESHNESS_DAYS: the publisher still delivers.
-- broken: The newest snapshot is older than FRESHNESS_DAYS: does the publisher deliver?
-- severity: error
-- limit: freshness_days
-- way_out: deliver a newer file; to load old ones, FRESHNESS_DAYS=36500 on the same command line.
SELECT
    max(snapshot_at) AS newest_snapshot_at,
    date_diff('day', max(snapshot_at), getvariable('checked_at')) AS days_old,
    getvariable('freshness_days') AS allowed_days
FROM ops_merges
HAVING coalesce(date_diff('day', max(snapshot_at), getvariable('checked_at')), 1000000)
    > getvariable('freshness_days');
