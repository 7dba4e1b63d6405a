-- The versions that a digest shows: one row per version, its values as text.
SELECT
    CAST("column" AS VARCHAR) AS "column",  -- each column, not show_id
    version_id
FROM analytics_netflix_history
WHERE list_contains(getvariable('versions'), version_id);
