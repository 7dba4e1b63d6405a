-- Counts the values of current where no audit before has to be compared with: see digest.sql.
-- Grain: audit_sums one row.
-- Inputs -> outputs: analytics_netflix_current -> temp table audit_sums.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE audit_sums AS
SELECT
    count("column") AS "column",  -- each column, not show_id
    count(*) AS "all titles"
FROM analytics_netflix_current;
