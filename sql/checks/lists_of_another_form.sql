-- No list is in brackets, or has another separator than the contract says (['a', 'b'], a|b, a;b).
-- broken: A list is in brackets, or has another separator than the contract says.
-- severity: warn
WITH lists AS (
    SELECT
        source_line,
        unnest(['director', 'cast', 'country', 'listed_in']) AS column_name,
        unnest([director, "cast", country, listed_in]) AS entries
    FROM analytics_netflix_current
    WHERE regexp_matches(concat_ws(' ', director, "cast", country, listed_in), '[\[\]{}|;]')
)

SELECT
    column_name,
    CASE
        WHEN regexp_matches(entries, '^[\[{]') THEN 'brackets'
        WHEN contains(entries, '|') THEN '|'
        ELSE ';'
    END AS form,
    min(entries) AS example,
    count(*) AS titles,
    min(source_line) AS first_line
FROM lists
WHERE regexp_matches(entries, '^[\[{].*[\]}]$|[|;]')
GROUP BY
    column_name,
    CASE
        WHEN regexp_matches(entries, '^[\[{]') THEN 'brackets'
        WHEN contains(entries, '|') THEN '|'
        ELSE ';'
    END;
