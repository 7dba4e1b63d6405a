-- How many tables and views of the star schema there are.
-- Grain: one row.
-- Inputs -> outputs: the database's own list of tables and views -> the result set.
-- Running it twice is safe: it only reads. One that somebody dropped is missing in the count, and
--   the next run builds everything again.
SELECT count(*) AS objects
FROM (
    SELECT table_name AS name
    FROM duckdb_tables()
    UNION ALL
    SELECT view_name AS name
    FROM duckdb_views()
    WHERE NOT internal
) AS named
WHERE regexp_matches(name, '^(dim|fact|bridge|kpi)_');
