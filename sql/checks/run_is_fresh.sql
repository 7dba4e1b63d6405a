-- A merge succeeded within the last MAX_RUN_AGE_HOURS.
-- broken: No merge succeeded within the last MAX_RUN_AGE_HOURS.
-- severity: error
-- limit: max_run_age_hours
-- way_out: `make run-all`; if it fails, logs/pipeline.log says why.
-- Before the first merge, the first step counts.
SELECT
    arg_max(finished_at, rowid) AS last_good_run_at,
    date_diff('hour', arg_max(finished_at, rowid), getvariable('checked_at')) AS hours_ago,
    getvariable('max_run_age_hours') AS allowed_hours
FROM ops_runs
WHERE (step = 'merge' AND status = 'done') OR rowid = (SELECT min(rowid) FROM ops_runs)
HAVING coalesce(date_diff('hour', arg_max(finished_at, rowid), getvariable('checked_at')), 1000000)
    > getvariable('max_run_age_hours');
