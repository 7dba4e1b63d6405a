-- Records what is in step 08's tables, for the next night to compare.
-- Grain: analytics_contents one row per table of the star schema and of its sums.
-- Inputs -> outputs: temp table contents_now, analytics_contents -> analytics_contents; of a table
--   that only grows what it had, and the rows since.
-- Running it twice is safe: the caller does it once, and in one transaction.
CREATE OR REPLACE TABLE analytics_contents AS
WITH parts AS (
    SELECT
        table_name,
        is_growing,
        row_count,
        content
    FROM analytics_contents
    WHERE is_growing
    UNION ALL
    SELECT
        table_name,
        is_growing,
        row_count,
        content
    FROM contents_now
)

SELECT
    table_name,
    is_growing,
    CAST(sum(row_count) AS BIGINT) AS row_count,
    CAST(sum(content) AS HUGEINT) AS content
FROM parts
GROUP BY table_name, is_growing;

COMMENT ON TABLE analytics_contents IS 'What step 08 left in its tables: one row per table.';
COMMENT ON COLUMN analytics_contents.table_name IS 'The table.';
COMMENT ON COLUMN analytics_contents.is_growing IS 'Whether rows are only added to it.';
COMMENT ON COLUMN analytics_contents.row_count IS 'Its rows.';
COMMENT ON COLUMN analytics_contents.content IS 'The sum of the hashes of its rows.';
