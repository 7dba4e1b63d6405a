-- Narrows the audit to what was merged since the last one. Reads analytics_netflix_history.
-- Grain: begun_titles one row per current title whose version began since; begun_ids one per row
--   with the id of such a one; current_keys one per title; touched_versions one per version of one
--   of which a version began or ended.
-- Inputs -> outputs: analytics_netflix_current, _history, variable audited_at -> these four.
-- Running it twice is safe: it replaces them.
CREATE OR REPLACE TEMP VIEW begun_titles AS
FROM analytics_netflix_current
WHERE valid_from > getvariable('audited_at');

CREATE OR REPLACE TEMP VIEW begun_ids AS
SELECT version_id
FROM analytics_netflix_history
WHERE version_id IS NULL
    OR version_id IN (
        SELECT begun.version_id
        FROM analytics_netflix_history AS begun
        WHERE begun.valid_from > getvariable('audited_at')
    );

CREATE OR REPLACE TEMP VIEW current_keys AS
SELECT business_key
FROM analytics_netflix_history
WHERE is_current;

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
