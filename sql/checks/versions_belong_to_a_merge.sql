-- Every version was begun and ended by a recorded merge.
-- broken: A version was begun or ended by a merge that is not recorded.
-- severity: error
-- scope: touched
SELECT
    history.title_id,
    history.batch_id,
    history.end_batch_id
FROM analytics_netflix_history AS history
LEFT JOIN ops_merges AS begun ON history.batch_id = begun.batch_id
LEFT JOIN ops_merges AS ended ON history.end_batch_id = ended.batch_id
WHERE begun.batch_id IS NULL
    OR (history.end_batch_id IS NOT NULL AND ended.batch_id IS NULL)
    OR (history.end_batch_id IS NULL AND history.valid_to IS NOT NULL);
