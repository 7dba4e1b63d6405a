-- No title was added after the day of its snapshot.
-- broken: A title was added after the day of the snapshot that has it.
-- severity: warn
-- scope: begun
-- way_out: is SNAPSHOT_AT the day of the file? If so, the dates are the publisher's.
SELECT
    title_id,
    show_id,
    title,
    date_added
FROM analytics_netflix_current
WHERE date_added
    > (SELECT CAST(max(snapshot_at) AS DATE) FROM ops_merges) + INTERVAL 1 DAY
ORDER BY title_id;
