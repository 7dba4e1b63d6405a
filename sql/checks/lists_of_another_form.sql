-- No list is in brackets or has a separator that the contract does not say (['a', 'b'], a|b, a;b).
-- broken: A list is in brackets, or has another separator than the contract says.
-- severity: warn
-- scope: begun
-- way_out: `make inspect PROPOSE=1` shows the line of the contract that reads them.
WITH lists AS (
    SELECT
        source_line,
        unnest([
            'column',  -- each list column
            ''
        ]) AS column_name,
        unnest([
            "column",  -- each list column
            ''
        ]) AS entries
    FROM analytics_netflix_current
    WHERE regexp_matches(
        concat_ws(
            ' ',
            "column",  -- each list column
            NULL
        ),
        '[\[\]{}|;]'
    )
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
