-- How the last step that moves data between the layers ended, for the checks that compare layers:
-- where it stopped on its way, which it told, they stand at different batches.
-- Grain: one row.
-- Inputs -> outputs: ops_runs -> the result set.
-- Running it twice is safe: it only reads. By rowid, not by time: a clock may be set back.
SELECT arg_max(status, rowid) AS last_run_status
FROM ops_runs
WHERE step IN ('load', 'schema', 'staging', 'merge');
