-- What the warehouse holds, and how old it is; no row if nothing was merged.
WITH titles AS (
    SELECT
        count(*) AS titles,
        count_if("type" = 'Movie') AS movies,
        count_if("type" = 'TV Show') AS shows,
        max(date_added) AS newest_added_date
    FROM analytics_netflix_current
),

merges AS (
    SELECT
        count(*) AS merges,
        max(snapshot_at) AS snapshot_at
    FROM ops_merges
),

nights AS (
    SELECT
        inserted + reappeared + updated AS new_versions,  -- a new column fills once
        row_number() OVER (ORDER BY snapshot_at DESC) AS age
    FROM ops_merges
    WHERE previous_rows > 0
)

SELECT
    titles.titles,
    titles.movies,
    titles.shows,
    titles.newest_added_date,
    merges.merges,
    merges.snapshot_at,
    date_diff('day', merges.snapshot_at, getvariable('checked_at')) AS snapshot_days,
    (SELECT count(*) FROM analytics_netflix_history) AS versions,
    (SELECT avg(new_versions) FROM nights WHERE age <= 30) AS versions_a_night
FROM titles
CROSS JOIN merges
WHERE merges.merges > 0;
