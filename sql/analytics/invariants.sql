-- What must hold of the star schema: every column must be zero.
-- Grain: one row.
-- Inputs -> outputs: the star schema, KPI views, analytics_netflix_history -> the result set.
-- Running it twice is safe: it only reads. Weighted sums are rounded to 4 digits in each row of a
--   view, hence the tolerance of one per mille of a title and row.
WITH current_titles AS (
    SELECT count(*) AS titles
    FROM analytics_netflix_current
),

country_weights AS (
    SELECT
        title_key,
        sum(weight) AS weight
    FROM bridge_title_country
    GROUP BY title_key
),

genre_weights AS (
    SELECT
        title_key,
        sum(weight) AS weight
    FROM bridge_title_genre
    GROUP BY title_key
),

cast_weights AS (
    SELECT
        title_key,
        sum(weight) AS weight
    FROM bridge_title_cast
    GROUP BY title_key
),

director_weights AS (
    SELECT
        title_key,
        sum(weight) AS weight
    FROM bridge_title_director
    GROUP BY title_key
),

country_check AS (
    SELECT
        count(*) AS versions,
        count(*) FILTER (WHERE facts.title_key IS NULL OR abs(weights.weight - 1) > 1e-9) AS wrong
    FROM country_weights AS weights
    LEFT JOIN fact_title_catalog AS facts ON weights.title_key = facts.title_key
),

genre_check AS (
    SELECT
        count(*) AS versions,
        count(*) FILTER (WHERE facts.title_key IS NULL OR abs(weights.weight - 1) > 1e-9) AS wrong
    FROM genre_weights AS weights
    LEFT JOIN fact_title_catalog AS facts ON weights.title_key = facts.title_key
),

cast_check AS (
    SELECT
        count(*) AS versions,
        count(*) FILTER (WHERE facts.title_key IS NULL OR abs(weights.weight - 1) > 1e-9) AS wrong
    FROM cast_weights AS weights
    LEFT JOIN fact_title_catalog AS facts ON weights.title_key = facts.title_key
),

director_check AS (
    SELECT
        count(*) AS versions,
        count(*) FILTER (WHERE facts.title_key IS NULL OR abs(weights.weight - 1) > 1e-9) AS wrong
    FROM director_weights AS weights
    LEFT JOIN fact_title_catalog AS facts ON weights.title_key = facts.title_key
),

history AS (
    SELECT
        count(*) AS versions,
        count(country) AS with_country,
        count(listed_in) AS with_genre,
        count("cast") AS with_cast,
        count(director) AS with_director
    FROM analytics_netflix_history
),

facts_checked AS (
    SELECT
        count(*) AS facts,
        count(*) FILTER (WHERE titles.title_key IS NULL) AS without_title,
        count(*) FILTER (WHERE ratings.rating_key IS NULL) AS without_rating,
        count(*) FILTER (
            WHERE added.date_key IS NULL OR began.date_key IS NULL OR ended.date_key IS NULL
        ) AS without_date
    FROM fact_title_catalog AS facts
    LEFT JOIN dim_title AS titles ON facts.title_key = titles.title_key
    LEFT JOIN dim_rating AS ratings ON facts.rating_key = ratings.rating_key
    LEFT JOIN dim_date AS added ON facts.date_added_key = added.date_key
    LEFT JOIN dim_date AS began ON facts.valid_from_key = began.date_key
    LEFT JOIN dim_date AS ended ON facts.valid_to_key = ended.date_key
)

SELECT
    facts_checked.without_title AS every_fact_finds_its_title,
    facts_checked.without_rating AS every_fact_finds_its_rating,
    facts_checked.without_date AS every_fact_finds_its_dates,
    (SELECT count(*) FROM fact_title_catalog) - history.versions AS one_fact_per_version,
    (SELECT count(*) FROM dim_title) - history.versions AS one_title_row_per_version,
    -- a key that a dimension has twice multiplies the facts of the join
    facts_checked.facts - history.versions AS keys_are_unique,
    country_check.wrong + abs(country_check.versions - history.with_country)
        AS country_weights_sum_to_1,
    genre_check.wrong + abs(genre_check.versions - history.with_genre)
        AS genre_weights_sum_to_1,
    cast_check.wrong + abs(cast_check.versions - history.with_cast) AS cast_weights_sum_to_1,
    director_check.wrong + abs(director_check.versions - history.with_director)
        AS director_weights_sum_to_1,
    (
        SELECT count(*)
        FROM bridge_title_country AS bridge
        LEFT JOIN dim_country AS dim ON bridge.country_key = dim.country_key
        WHERE dim.country_key IS NULL
    ) AS every_bridge_finds_its_country,
    (
        SELECT count(*)
        FROM bridge_title_genre AS bridge
        LEFT JOIN dim_genre AS dim ON bridge.genre_key = dim.genre_key
        WHERE dim.genre_key IS NULL
    ) AS every_bridge_finds_its_genre,
    (
        SELECT count(*)
        FROM bridge_title_cast AS bridge
        LEFT JOIN dim_person AS dim ON bridge.person_key = dim.person_key
        WHERE dim.person_key IS NULL
    ) + (
        SELECT count(*)
        FROM bridge_title_director AS bridge
        LEFT JOIN dim_person AS dim ON bridge.person_key = dim.person_key
        WHERE dim.person_key IS NULL
    ) AS every_bridge_finds_its_person,
    (
        SELECT count(*) FROM dim_country
    ) - (
        SELECT count(DISTINCT country) FROM dim_country
    ) + (
        SELECT count(*) FROM dim_genre
    ) - (
        SELECT count(DISTINCT genre) FROM dim_genre
    ) + (
        SELECT count(*) FROM dim_person
    ) - (
        SELECT count(DISTINCT person) FROM dim_person
    ) AS names_are_unique,
    (SELECT count(*) FROM fact_title_catalog WHERE is_current)
        - current_titles.titles AS current_facts_are_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_movies_vs_tv)
        - current_titles.titles AS kpi_movies_vs_tv_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_titles_by_year)
        - current_titles.titles AS kpi_titles_by_year_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_titles_by_rating)
        - current_titles.titles AS kpi_titles_by_rating_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_additions_by_month)
        - current_titles.titles AS kpi_additions_by_month_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_duration_by_type)
        - current_titles.titles AS kpi_duration_by_type_is_current,
    (
        SELECT
            CASE
                WHEN abs(coalesce(sum(weighted_titles), 0) - current_titles.titles)
                    > 0.001 * (count(*) + 1) THEN 1
                ELSE 0
            END
        FROM kpi_titles_by_country
    ) AS kpi_titles_by_country_is_current,
    (
        SELECT
            CASE
                WHEN abs(coalesce(sum(weighted_titles), 0) - current_titles.titles)
                    > 0.001 * (count(*) + 1) THEN 1
                ELSE 0
            END
        FROM kpi_top_genres
    ) AS kpi_top_genres_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_genres_over_time)
        - (SELECT coalesce(sum(titles), 0) FROM kpi_top_genres) AS kpi_genres_over_time_is_genres
FROM facts_checked
CROSS JOIN history
CROSS JOIN country_check
CROSS JOIN genre_check
CROSS JOIN cast_check
CROSS JOIN director_check
CROSS JOIN current_titles;
