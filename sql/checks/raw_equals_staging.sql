-- Every raw record is staged, quarantined or an exact duplicate; raw and staging hold one batch.
-- severity: error
-- Grain: one row where the books do not balance.
-- Inputs -> outputs: raw_netflix_titles, staging tables, ops_runs -> offending rows.
-- Where the last run stopped on its way, which it told, the layers stand at different batches.
-- Running it twice is safe: it only reads.
WITH counted AS (
    SELECT
        (SELECT count(*) FROM raw_netflix_titles) AS raw_rows,
        (SELECT count(*) FROM staging_netflix_titles) AS staged_rows,
        (SELECT count(DISTINCT source_line) FROM staging_netflix_quarantine) AS quarantined_records,
        (SELECT max(batch_id) FROM raw_netflix_titles) AS raw_batch
),

last_run AS (
    SELECT arg_max(status, finished_at) AS status
    FROM ops_runs
    WHERE step IN ('load', 'schema', 'staging', 'merge')
)

SELECT
    counted.raw_batch,
    books.batch_id AS staged_batch,
    counted.raw_rows,
    counted.staged_rows,
    counted.quarantined_records,
    books.exact_duplicates
FROM counted
CROSS JOIN staging_books AS books
CROSS JOIN last_run
WHERE last_run.status = 'done'
    AND (
        counted.raw_batch <> books.batch_id
        OR counted.raw_rows
            <> counted.staged_rows + counted.quarantined_records + books.exact_duplicates
    );
