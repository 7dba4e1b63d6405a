-- Says what the metrics of earlier snapshots were.
-- Grain: metrics_usual one row per metric of the last 30 good batches.
-- Inputs -> outputs: ops_metrics, ops_merges, metrics_now -> temp table metrics_usual (the median,
--   and the median absolute deviation from it).
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE metrics_usual AS
WITH numbered AS (
    SELECT
        metric,
        "value",
        row_number() OVER (PARTITION BY metric ORDER BY snapshot_at DESC) AS age
    FROM ops_metrics
    WHERE is_good
        AND batch_id IN (SELECT merges.batch_id FROM ops_merges AS merges)
        AND snapshot_at < (SELECT max(metrics_now.snapshot_at) FROM metrics_now)
),

earlier AS (
    SELECT
        metric,
        "value",
        median("value") OVER (PARTITION BY metric) AS usual
    FROM numbered
    WHERE age <= 30
)

SELECT
    metric,
    usual,
    count(*) AS batches,
    median(abs("value" - usual)) AS deviation
FROM earlier
GROUP BY metric, usual;
