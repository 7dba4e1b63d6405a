-- How the last step that moves data between the layers ended: where it stopped, they stand at
-- different batches. By rowid, not by time: a clock may be set back.
SELECT arg_max(status, rowid) AS last_run_status
FROM ops_runs
WHERE step IN ('load', 'schema', 'staging', 'merge');
