-- The checks of the last audit, and how each went in the last 30: trail has a letter per audit, the
-- oldest first: p passed, w warned, f failed.
WITH numbered AS (
    SELECT
        run_id,
        check_name,
        verdict,
        row_count,
        description,
        rowid AS written,
        row_number() OVER (PARTITION BY check_name ORDER BY rowid DESC) AS age
    FROM ops_checks
)

SELECT
    arg_max(verdict, written) AS outcome,
    check_name,
    arg_max(row_count, written) AS row_count,
    arg_max(description, written) AS description,
    string_agg("left"(verdict, 1), '' ORDER BY written) AS trail
FROM numbered
WHERE age <= 30
GROUP BY check_name
HAVING
    arg_max(run_id, written)
    = (SELECT arg_max(checks.run_id, checks.rowid) FROM ops_checks AS checks)
ORDER BY
    CASE arg_max(verdict, written) WHEN 'fail' THEN 0 WHEN 'warn' THEN 1 ELSE 2 END,
    check_name;
