-- The metrics of the newest two snapshots: value, and the one before (NULL if there is none).
SELECT
    metrics.metric,
    max(metrics."value") FILTER (WHERE snapshots.snapshot = newest.snapshot) AS "value",
    max(metrics."value") FILTER (WHERE snapshots.snapshot < newest.snapshot) AS "before"
FROM ops_metrics AS metrics
INNER JOIN page_snapshots AS snapshots ON metrics.batch_id = snapshots.batch_id
CROSS JOIN (SELECT max(snapshot) AS snapshot FROM page_snapshots) AS newest
WHERE snapshots.snapshot >= newest.snapshot - 1
GROUP BY metrics.metric
ORDER BY metrics.metric;
