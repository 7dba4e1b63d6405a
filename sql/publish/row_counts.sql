-- The books of the newest snapshot, and what was set aside.
WITH numbers AS (
    SELECT
        unnest([
            'raw records', 'staged titles', 'quarantined records', 'exact duplicates',
            'values lost in a cast', 'schema changes seen'
        ]) AS what,
        unnest([
            raw_rows, staged_rows, quarantined_records, exact_duplicates, lost_in_cast,
            (
                SELECT count(*)
                FROM ops_schema_changes AS changes
                WHERE changes.batch_id = books.batch_id
            )
        ]) AS how_many
    FROM staging_counts AS books
)

SELECT
    what,
    how_many
FROM numbers
UNION ALL
SELECT
    'quarantine: ' || rule AS what,
    count(*) AS how_many
FROM staging_netflix_quarantine
GROUP BY rule;
