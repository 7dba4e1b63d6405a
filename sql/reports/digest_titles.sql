-- What differs between two snapshots, net: the first ten titles that are new, changed, filled (by
-- a new column) or gone, with the two versions; titles is how many of the kind there are.
WITH before AS (
    SELECT
        title_id,
        version_id,
        row_hash,
        title
    FROM analytics_netflix_history
    WHERE
        valid_from <= getvariable('since')
        AND (valid_to IS NULL OR valid_to > getvariable('since'))
),

after AS (
    SELECT
        title_id,
        version_id,
        row_hash,
        title,
        operation
    FROM analytics_netflix_history
    WHERE
        valid_from <= getvariable('until')
        AND (valid_to IS NULL OR valid_to > getvariable('until'))
),

differing AS (
    SELECT
        CASE
            WHEN before.title_id IS NULL THEN 'new'
            WHEN after.title_id IS NULL THEN 'gone'
            WHEN after.operation = 'fill' THEN 'filled'
            ELSE 'changed'
        END AS kind,
        coalesce(after.title_id, before.title_id) AS title_id,
        coalesce(after.title, before.title) AS title,
        before.version_id AS old_version,
        after.version_id AS new_version
    FROM before
    FULL JOIN after ON before.title_id = after.title_id
    WHERE before.row_hash IS DISTINCT FROM after.row_hash
),

ranked AS (
    SELECT
        kind,
        old_version,
        new_version,
        count(*) OVER (PARTITION BY kind) AS titles,
        row_number() OVER (PARTITION BY kind ORDER BY title, title_id) AS place
    FROM differing
)

SELECT
    kind,
    titles,
    old_version,
    new_version
FROM ranked
WHERE place <= 10
ORDER BY kind, place;
