-- The source did not deliver the same bytes on more than SAME_BYTES_DAYS days.
-- broken: The source delivered the same bytes on more than SAME_BYTES_DAYS days.
-- severity: warn
-- way_out: ask the publisher whether the export still runs.
WITH newest AS (
    SELECT arg_max(batch_id, rowid) AS batch_id
    FROM ops_runs
    WHERE step = 'raw' AND status = 'done'
)

SELECT
    runs.batch_id,
    min(runs.finished_at) AS first_seen_at,
    count(DISTINCT CAST(runs.finished_at AS DATE)) AS days
FROM ops_runs AS runs
INNER JOIN newest ON runs.batch_id = newest.batch_id
WHERE runs.step = 'raw' AND runs.status = 'done'
GROUP BY runs.batch_id
HAVING count(DISTINCT CAST(runs.finished_at AS DATE)) > getvariable('same_bytes_days');
