-- Every raw record is staged, quarantined or an exact duplicate; raw and staging hold one batch.
-- broken: A raw record is neither staged nor quarantined nor an exact duplicate.
-- severity: error
-- scope: staged_keys
WITH counted AS (
    SELECT
        (SELECT count(*) FROM raw_netflix_titles) AS raw_rows,
        (SELECT count(*) FROM staging_netflix_titles) AS staged_rows,
        (SELECT count(DISTINCT source_line) FROM staging_netflix_quarantine) AS quarantined_records,
        (SELECT max(batch_id) FROM raw_netflix_titles) AS raw_batch
)

SELECT
    counted.raw_batch,
    staging_counts.batch_id AS staged_batch,
    counted.raw_rows,
    counted.staged_rows,
    counted.quarantined_records,
    staging_counts.exact_duplicates
FROM counted
CROSS JOIN staging_counts
WHERE getvariable('last_run_status') = 'done'
    AND (
        counted.raw_batch <> staging_counts.batch_id
        OR counted.raw_rows
            <> counted.staged_rows + counted.quarantined_records + staging_counts.exact_duplicates
    );
