-- The last run of each step. By rowid, not by time: a clock may be set back.
WITH numbered AS (
    SELECT
        step,
        status,
        started_at,
        finished_at,
        rows_out,
        message,
        row_number() OVER (PARTITION BY step ORDER BY rowid DESC) AS age
    FROM ops_runs
)

SELECT
    step,
    status,
    started_at,
    finished_at,
    rows_out,
    message
FROM numbered
WHERE age = 1;
