-- Shows what is staged as current, for an audit before the first merge.
-- Grain: one row per staged title.
-- Inputs -> outputs: staging_netflix_titles -> temp view analytics_netflix_current.
-- Running it twice is safe: it replaces a temporary view.
CREATE OR REPLACE TEMP VIEW analytics_netflix_current AS
SELECT
    business_key AS title_id,
    *
FROM staging_netflix_titles;
