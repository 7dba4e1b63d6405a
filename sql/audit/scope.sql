-- Narrows the audit to what was merged since the last one.
-- Grain: begun_titles one row per current title whose version began since; touched_versions one per
--   version of a title of which a version began or ended since.
-- Inputs -> outputs: analytics_netflix_current, analytics_netflix_history, session variable
--   audited_at -> temp view begun_titles, temp table touched_versions.
-- Running it twice is safe: it replaces both.
CREATE OR REPLACE TEMP VIEW begun_titles AS
FROM analytics_netflix_current
WHERE valid_from > getvariable('audited_at');

-- Two queries: the scan of each skips row groups by their time, which it does not for an OR.
CREATE OR REPLACE TEMP TABLE touched_versions AS
WITH touched AS (
    SELECT title_id
    FROM analytics_netflix_history
    WHERE valid_from > getvariable('audited_at')
    UNION ALL
    SELECT title_id
    FROM analytics_netflix_history
    WHERE valid_to > getvariable('audited_at')
)

SELECT
    title_id,
    version_id,
    batch_id,
    valid_from,
    valid_to,
    is_current,
    end_operation,
    end_batch_id
FROM analytics_netflix_history
WHERE title_id IN (SELECT touched.title_id FROM touched);
