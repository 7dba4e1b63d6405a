-- No list of people, countries or genres has an empty entry.
-- broken: A list of people, countries or genres has an empty entry.
-- severity: error
WITH lists AS (
    SELECT
        title_id,
        unnest(['director', 'cast', 'country', 'listed_in']) AS column_name,
        unnest([director, "cast", country, listed_in]) AS entries
    FROM analytics_netflix_current
)

SELECT
    title_id,
    column_name,
    entries
FROM lists
WHERE entries = '' OR regexp_matches(entries, '^ *,|, *,|, *$');
