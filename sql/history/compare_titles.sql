-- How many titles a replay changed: titles_before against the catalogue of the same moment, and the
-- number of changed titles for each column.
WITH after_replay AS (
    SELECT
        title_id,
        "type",
        title,
        director,
        "cast",
        country,
        date_added,
        release_year,
        rating,
        duration,
        listed_in,
        description
    FROM analytics_netflix_history
    WHERE valid_from <= getvariable('kept_at')
        AND (valid_to IS NULL OR valid_to > getvariable('kept_at'))
),

compared AS (
    SELECT
        old.title_id AS old_id,
        new.title_id AS new_id,
        CAST(new."type" IS DISTINCT FROM old."type" AS INTEGER) AS type_differs,
        CAST(new.title IS DISTINCT FROM old.title AS INTEGER) AS title_differs,
        CAST(new.director IS DISTINCT FROM old.director AS INTEGER) AS director_differs,
        CAST(new."cast" IS DISTINCT FROM old."cast" AS INTEGER) AS cast_differs,
        CAST(new.country IS DISTINCT FROM old.country AS INTEGER) AS country_differs,
        CAST(new.date_added IS DISTINCT FROM old.date_added AS INTEGER) AS date_added_differs,
        CAST(new.release_year IS DISTINCT FROM old.release_year AS INTEGER) AS release_year_differs,
        CAST(new.rating IS DISTINCT FROM old.rating AS INTEGER) AS rating_differs,
        CAST(new.duration IS DISTINCT FROM old.duration AS INTEGER) AS duration_differs,
        CAST(new.listed_in IS DISTINCT FROM old.listed_in AS INTEGER) AS listed_in_differs,
        CAST(new.description IS DISTINCT FROM old.description AS INTEGER) AS description_differs
    FROM titles_before AS old
    FULL JOIN after_replay AS new ON old.title_id = new.title_id
)

SELECT
    count(old_id) AS titles,
    count(*) - count(old_id) AS inserted,
    count(*) - count(new_id) AS deleted,
    coalesce(sum(CASE WHEN old_id IS NULL OR new_id IS NULL THEN 0 ELSE greatest(
        type_differs, title_differs, director_differs, cast_differs,
        country_differs, date_added_differs, release_year_differs, rating_differs,
        duration_differs, listed_in_differs, description_differs
    ) END), 0) AS updated,
    coalesce(sum(CASE WHEN new_id = old_id THEN type_differs ELSE 0 END), 0) AS "type",
    coalesce(sum(CASE WHEN new_id = old_id THEN title_differs ELSE 0 END), 0) AS title,
    coalesce(sum(CASE WHEN new_id = old_id THEN director_differs ELSE 0 END), 0) AS director,
    coalesce(sum(CASE WHEN new_id = old_id THEN cast_differs ELSE 0 END), 0) AS "cast",
    coalesce(sum(CASE WHEN new_id = old_id THEN country_differs ELSE 0 END), 0) AS country,
    coalesce(sum(CASE WHEN new_id = old_id THEN date_added_differs ELSE 0 END), 0) AS date_added,
    coalesce(sum(CASE WHEN new_id = old_id THEN release_year_differs ELSE 0 END), 0)
        AS release_year,
    coalesce(sum(CASE WHEN new_id = old_id THEN rating_differs ELSE 0 END), 0) AS rating,
    coalesce(sum(CASE WHEN new_id = old_id THEN duration_differs ELSE 0 END), 0) AS duration,
    coalesce(sum(CASE WHEN new_id = old_id THEN listed_in_differs ELSE 0 END), 0) AS listed_in,
    coalesce(sum(CASE WHEN new_id = old_id THEN description_differs ELSE 0 END), 0) AS description
FROM compared;
