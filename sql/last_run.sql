-- How the last step that moves data between the layers ended, for the checks that compare layers:
-- where it stopped on its way, which it told, they stand at different batches.
-- Grain: none.
-- Inputs -> outputs: ops_runs -> session variable last_run_status.
-- Running it twice is safe: it sets a variable. By rowid, not by time: a clock may be set back.
SET VARIABLE last_run_status = (
    SELECT arg_max(status, rowid)
    FROM ops_runs
    WHERE step IN ('load', 'schema', 'staging', 'merge')
);
