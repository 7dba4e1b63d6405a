-- No title stays in the catalogue only because its record was unreadable.
-- severity: warn
-- Grain: one row where there are such titles.
-- Inputs -> outputs: ops_merges -> offending rows.
-- Running it twice is safe: it only reads.
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
