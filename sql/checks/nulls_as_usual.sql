-- No column is emptier than in the last 30 good runs.
-- broken: A column is emptier than in the last 30 good runs.
-- severity: warn
-- Allowed: median + max(7 x median absolute deviation, 2 points), with at least 7 good runs.
-- way_out: compare the column in `make inspect` with the publisher's last file.
SELECT
    metrics_now.metric,
    round(metrics_now."value", 2) AS value_now,
    round(usual.usual, 2) AS usual,
    round(greatest(7 * usual.deviation, 2), 2) AS tolerance
FROM metrics_now
INNER JOIN metrics_usual AS usual ON metrics_now.metric = usual.metric
WHERE metrics_now.metric LIKE 'null_pct:%'
    AND usual.batches >= 7
    AND metrics_now."value" - usual.usual > greatest(7 * usual.deviation, 2);
