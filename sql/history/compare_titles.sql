-- How many titles a replay changed, in all and by column: titles_before is compared with the
-- catalogue at the same time.
WITH after_replay AS (
    SELECT
        "column",  -- each column
        title_id
    FROM analytics_netflix_history
    WHERE valid_from <= getvariable('kept_at')
        AND (valid_to IS NULL OR valid_to > getvariable('kept_at'))
),

compared AS (
    SELECT
        differs(old.title_id, new.title_id, old."column", new."column") AS "column",  -- each column
        old.title_id AS old_id,
        new.title_id AS new_id
    FROM titles_before AS old
    FULL JOIN after_replay AS new ON old.title_id = new.title_id
)

SELECT
    coalesce(sum("column"), 0) AS "column changed",  -- each column
    (SELECT versions FROM versions_before) AS versions_before,
    (SELECT count(*) FROM analytics_netflix_history) AS versions,
    count(old_id) AS titles,
    count(*) - count(old_id) AS inserted,
    count(*) - count(new_id) AS deleted,
    coalesce(sum(greatest(
        "column",  -- each column
        0
    )), 0) AS updated
FROM compared;
