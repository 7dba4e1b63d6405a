-- No title stays in the catalogue only because its record is unreadable or could be several titles.
-- severity: warn
WITH last_merge AS (
    SELECT
        batch_id,
        carried
    FROM ops_merges
    ORDER BY snapshot_at DESC
    LIMIT 1
)

SELECT
    batch_id,
    carried AS titles
FROM last_merge
WHERE carried > 0;
