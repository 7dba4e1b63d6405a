-- Hardly a title is without a genre.
-- broken: Many titles are without a genre.
-- severity: warn
-- warn_if: > 20
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE listed_in IS NULL;
