-- No record could be several titles (CDC_KEY=title); it waits, and they stay as they were.
-- broken: A record could be several titles; it waits, and they stay as they were.
-- severity: warn
SELECT
    business_key,
    title,
    candidates
FROM ops_ambiguous_matches
WHERE batch_id = (SELECT max(staging_batch.batch_id) FROM staging_batch);
