-- No list of people, countries or genres has an empty entry.
-- broken: A list of people, countries or genres has an empty entry.
-- severity: error
-- scope: begun
WITH lists AS (
    SELECT
        title_id,
        unnest([
            'column',  -- each list column
            ''
        ]) AS column_name,
        unnest([
            "column",  -- each list column
            ''
        ]) AS entries
    FROM analytics_netflix_current
)

SELECT
    title_id,
    column_name,
    entries
FROM lists
WHERE column_name <> '' AND (entries = '' OR regexp_matches(entries, '^ *,|, *,|, *$'));
