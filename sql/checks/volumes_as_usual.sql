-- Titles, and new, changed and gone ones, are as many as in the last 30 good runs.
-- severity: warn
-- Grain: one row per metric out of range: median +- max(7 x median absolute deviation, 5 %, 20
--   titles), with at least 7 good runs.
-- Inputs -> outputs: metrics_now, ops_metrics -> offending rows.
-- Running it twice is safe: it only reads.
WITH earlier AS (
    SELECT
        metric,
        "value",
        row_number() OVER (PARTITION BY metric ORDER BY snapshot_at DESC) AS age
    FROM ops_metrics
    WHERE is_good AND batch_id <> (SELECT max(metrics_now.batch_id) FROM metrics_now)
),

centre AS (
    SELECT
        metric,
        median("value") AS usual,
        count(*) AS runs
    FROM earlier
    WHERE age <= 30
    GROUP BY metric
),

spread AS (
    SELECT
        earlier.metric,
        median(abs(earlier."value" - centre.usual)) AS deviation
    FROM earlier
    INNER JOIN centre ON earlier.metric = centre.metric
    WHERE earlier.age <= 30
    GROUP BY earlier.metric
)

SELECT
    metrics_now.metric,
    round(metrics_now."value", 2) AS value_now,
    round(centre.usual, 2) AS usual,
    round(greatest(7 * spread.deviation, 20, 0.05 * centre.usual), 2) AS tolerance
FROM metrics_now
INNER JOIN centre ON metrics_now.metric = centre.metric
INNER JOIN spread ON metrics_now.metric = spread.metric
WHERE metrics_now.metric IN ('titles', 'new', 'changed', 'gone', 'quarantined')
    AND centre.runs >= 7
    AND abs(metrics_now."value" - centre.usual)
        > greatest(7 * spread.deviation, 20, 0.05 * centre.usual);
