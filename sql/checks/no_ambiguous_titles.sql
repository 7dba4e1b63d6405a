-- No record could be several titles (CDC_KEY=title); it is not merged, and they stay unchanged.
-- broken: A record could be several titles; it is not merged, and they stay unchanged.
-- severity: warn
-- way_out: ask the publisher which one it is; candidates are in ops_ambiguous_matches.
SELECT
    business_key,
    title,
    candidates
FROM ops_ambiguous_matches
WHERE batch_id = (SELECT max(staging_batch.batch_id) FROM staging_batch);
