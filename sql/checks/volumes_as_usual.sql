-- The numbers of titles, and of new, changed and gone ones, are as in the last 30 good runs.
-- broken: Titles, or new, changed or gone ones, are not as many as in the last 30 good runs.
-- severity: warn
-- Allowed: median +- max(7 x median absolute deviation, 5 %, 20 titles), with at least 7 good runs.
-- way_out: see with `make digest` what came and went, and ask the publisher if it is not right.
SELECT
    metrics_now.metric,
    round(metrics_now."value", 2) AS value_now,
    round(usual.usual, 2) AS usual,
    round(greatest(7 * usual.deviation, 20, 0.05 * usual.usual), 2) AS tolerance
FROM metrics_now
INNER JOIN metrics_usual AS usual ON metrics_now.metric = usual.metric
WHERE metrics_now.metric IN ('titles', 'new', 'changed', 'gone', 'quarantined')
    AND usual.batches >= 7
    AND abs(metrics_now."value" - usual.usual)
        > greatest(7 * usual.deviation, 20, 0.05 * usual.usual);
