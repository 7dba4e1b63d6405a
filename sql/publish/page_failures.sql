-- The offending rows of the last audit.
SELECT
    check_name,
    offending_row
FROM ops_check_failures
WHERE run_id = (SELECT arg_max(checks.run_id, checks.rowid) FROM ops_checks AS checks)
ORDER BY check_name, position
LIMIT 60;
