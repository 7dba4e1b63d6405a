-- Keeps a copy of the catalogue before a replay, to compare it with the one after.
-- Grain: titles_before one row per live title; versions_before one row.
-- Inputs -> outputs: analytics_netflix_current, analytics_netflix_history -> temp tables
--   titles_before, versions_before, temp macro differs.
-- Running it twice is safe: it replaces all three.
CREATE OR REPLACE TEMP TABLE versions_before AS
SELECT count(*) AS versions
FROM analytics_netflix_history;

CREATE OR REPLACE TEMP TABLE titles_before AS
SELECT
    "column",  -- each column
    title_id
FROM analytics_netflix_current;

-- 1 if a title that is in both has another value, compared as text: the type may have changed.
CREATE OR REPLACE TEMP MACRO differs(old_id, new_id, old_value, new_value) AS
    CASE
        WHEN old_id = new_id
            AND CAST(new_value AS VARCHAR) IS DISTINCT FROM CAST(old_value AS VARCHAR)
            THEN 1
        ELSE 0
    END;
