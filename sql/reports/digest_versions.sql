-- The versions that a digest shows: one row per version, its values as text.
SELECT
    version_id,
    "type",
    title,
    director,
    "cast",
    country,
    CAST(date_added AS VARCHAR) AS date_added,
    CAST(release_year AS VARCHAR) AS release_year,
    rating,
    duration,
    listed_in,
    description
FROM analytics_netflix_history
WHERE list_contains(getvariable('versions'), version_id);
