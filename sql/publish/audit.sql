-- Whether the newest merge was audited and built upon, and what decides on the published content;
-- no row if nothing was merged or audited. By rowid, not by time, as a clock may be set back.
WITH newest AS (
    SELECT arg_max(batch_id, snapshot_at) AS batch_id
    FROM ops_merges
),

audit AS (
    SELECT
        arg_max(run_id, rowid) AS run_id,
        arg_max(batch_id, rowid) AS batch_id,
        arg_max(status, rowid) AS status,
        max(rowid) AS written
    FROM ops_runs
    WHERE step = 'monitor'
),

merge_run AS (
    SELECT max(rowid) AS written
    FROM ops_runs
    WHERE step = 'merge' AND status = 'done'
),

verdicts AS (
    SELECT string_agg(check_name || '=' || verdict, ',' ORDER BY check_name) AS verdicts
    FROM ops_checks
    WHERE checked_at = (
        SELECT arg_max(last_checks.checked_at, last_checks.rowid)
        FROM ops_checks AS last_checks
    )
)

SELECT
    newest.batch_id,
    audit.batch_id AS audited_batch,
    audit.status,
    audit.written > merge_run.written AS is_after_merge,
    analytics_build.batch_id AS built_batch,
    analytics_build.merges,
    analytics_build.rules,
    verdicts.verdicts
FROM newest
CROSS JOIN audit
CROSS JOIN merge_run
CROSS JOIN verdicts
CROSS JOIN analytics_build
WHERE newest.batch_id IS NOT NULL AND audit.run_id IS NOT NULL;
