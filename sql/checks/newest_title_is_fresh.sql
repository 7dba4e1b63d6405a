-- The newest title was added at most NEWEST_TITLE_DAYS before its snapshot.
-- broken: The newest title was added more than NEWEST_TITLE_DAYS before its snapshot.
-- severity: warn
-- limit: newest_title_days
-- way_out: is the publisher still adding titles? Else raise NEWEST_TITLE_DAYS in .env.
WITH newest AS (
    SELECT
        (SELECT max(date_added) FROM analytics_netflix_current) AS added_date,
        (SELECT max(snapshot_at) FROM ops_merges) AS snapshot_at
)

SELECT
    added_date AS newest_date_added,
    snapshot_at,
    date_diff('day', added_date, CAST(snapshot_at AS DATE)) AS days_before,
    getvariable('newest_title_days') AS allowed_days
FROM newest
WHERE coalesce(date_diff('day', added_date, CAST(snapshot_at AS DATE)), 1000000)
    > getvariable('newest_title_days');
