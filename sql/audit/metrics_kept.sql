-- Takes the metrics of a snapshot that was audited before: nothing was merged since.
-- Grain: metrics_now one row per metric.
-- Inputs -> outputs: ops_metrics, ops_merges -> temp table metrics_now.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE metrics_now AS
SELECT
    batch_id,
    snapshot_at,
    metric,
    "value"
FROM ops_metrics
WHERE batch_id = (SELECT max_by(newest.batch_id, newest.snapshot_at) FROM ops_merges AS newest);
