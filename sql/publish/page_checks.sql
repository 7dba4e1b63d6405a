-- The checks of the last audit, and how often each did not pass in the audits on record.
-- Grain: one row per check.
-- Inputs -> outputs: ops_checks -> the result set.
-- Running it twice is safe: it only reads.
SELECT
    arg_max(verdict, checked_at) AS verdict,
    check_name,
    arg_max(row_count, checked_at) AS row_count,
    arg_max(description, checked_at) AS description,
    count(*) FILTER (WHERE verdict <> 'pass') AS not_passed,
    count(*) AS audits
FROM ops_checks
GROUP BY check_name
ORDER BY
    CASE arg_max(verdict, checked_at) WHEN 'fail' THEN 0 WHEN 'warn' THEN 1 ELSE 2 END,
    check_name;
