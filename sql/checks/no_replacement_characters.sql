-- No text holds U+FFFD, which stands where a character was lost.
-- severity: warn
-- error_if: > 100
-- way_out: ask the publisher for a file in UTF-8, or raise error_if in the check.
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE contains(
    concat_ws(' ', title, director, "cast", country, listed_in, description), chr(65533)
);
