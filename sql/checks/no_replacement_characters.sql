-- No text holds U+FFFD, which stands where a character was lost.
-- severity: warn
-- error_if: > 100
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE contains(
    concat_ws(' ', title, director, "cast", country, listed_in, description), chr(65533)
);
