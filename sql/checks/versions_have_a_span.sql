-- A version begins, and ends after it began.
-- severity: error
-- Grain: one row per offending version.
-- Inputs -> outputs: analytics_netflix_history -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    title_id,
    valid_from,
    valid_to
FROM analytics_netflix_history
WHERE valid_from IS NULL OR valid_to <= valid_from;
