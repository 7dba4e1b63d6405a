-- The offending rows that the last audit of each check found and kept, one row each.
WITH last_audit AS (
    SELECT
        check_name,
        arg_max(run_id, rowid) AS run_id,
        arg_max(severity, rowid) AS severity,
        arg_max(description, rowid) AS description
    FROM ops_checks
    GROUP BY check_name
)

SELECT
    failures.check_name,
    last_audit.severity,
    last_audit.description,
    failures."position",
    failures.offending_row
FROM ops_check_failures AS failures
INNER JOIN last_audit
    ON failures.check_name = last_audit.check_name AND failures.run_id = last_audit.run_id
ORDER BY last_audit.severity, failures.check_name, failures."position"
