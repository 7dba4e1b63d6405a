-- The checks that failed in the last audit, with a row each and since when; no row if none did.
WITH audits AS (
    SELECT
        run_id,
        max(batch_id) AS batch_id,
        max(checked_at) AS checked_at,
        max(rowid) AS written,
        bool_or(verdict = 'fail') AS is_failed
    FROM ops_checks
    GROUP BY run_id
),

newest AS (
    SELECT
        audits.run_id,
        audits.batch_id,
        (
            SELECT min(others.checked_at)
            FROM audits AS others
            WHERE others.written > coalesce(
                (SELECT max(good.written) FROM audits AS good WHERE NOT good.is_failed), -1
            )
        ) AS failing_since
    FROM audits
    WHERE audits.is_failed AND audits.written = (SELECT max(last.written) FROM audits AS last)
)

SELECT
    coalesce(newest.batch_id, '') AS batch_id,
    merges.snapshot_at,
    newest.failing_since,
    checks.check_name,
    checks.description,
    failures.offending_row
FROM newest
INNER JOIN ops_checks AS checks ON newest.run_id = checks.run_id AND checks.verdict = 'fail'
LEFT JOIN ops_merges AS merges ON newest.batch_id = merges.batch_id
LEFT JOIN ops_check_failures AS failures
    ON
        checks.run_id = failures.run_id
        AND checks.check_name = failures.check_name
        AND failures.position = 1
ORDER BY checks.check_name;
