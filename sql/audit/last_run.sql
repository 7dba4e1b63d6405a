-- How the last step that moves data between layers ended: if it stopped, the layers have different
-- batches. By rowid, not by time, as a clock may be set back.
SELECT arg_max(status, rowid) AS last_run_status
FROM ops_runs
WHERE step IN ('load', 'schema', 'staging', 'merge');
