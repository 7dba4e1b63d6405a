-- What must hold of the star schema: every column must be zero. Sets of keys are compared by
-- number and sum of hashes, a tenth of a join's cost; weights to 0.001 per row (views round).
WITH current_titles AS (
    SELECT count(*) AS titles
    FROM analytics_netflix_current
),

history AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(version_id) AS HUGEINT)) AS keys,
        count(country) AS country_versions,
        sum(CAST(hash(version_id) AS HUGEINT)) FILTER (WHERE country IS NOT NULL) AS country_keys,
        count(listed_in) AS genre_versions,
        sum(CAST(hash(version_id) AS HUGEINT)) FILTER (WHERE listed_in IS NOT NULL) AS genre_keys,
        count("cast") AS cast_versions,
        sum(CAST(hash(version_id) AS HUGEINT)) FILTER (WHERE "cast" IS NOT NULL) AS cast_keys,
        count(director) AS director_versions,
        sum(CAST(hash(version_id) AS HUGEINT)) FILTER (WHERE director IS NOT NULL) AS director_keys
    FROM analytics_netflix_history
),

titles AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys
    FROM dim_title
),

facts AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys
    FROM fact_title_catalog
),

-- a key that a dimension has twice multiplies the facts of the join
dimensions AS (
    SELECT
        count(*) AS facts,
        count(*) FILTER (WHERE ratings.rating_key IS NULL) AS without_rating,
        count(*) FILTER (
            WHERE added.date_key IS NULL OR began.date_key IS NULL OR ended.date_key IS NULL
        ) AS without_date
    FROM fact_title_catalog AS facts
    LEFT JOIN dim_rating AS ratings ON facts.rating_key = ratings.rating_key
    LEFT JOIN dim_date AS added ON facts.date_added_key = added.date_key
    LEFT JOIN dim_date AS began ON facts.valid_from_key = began.date_key
    LEFT JOIN dim_date AS ended ON facts.valid_to_key = ended.date_key
),

country_check AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys,
        count(*) FILTER (WHERE abs(weight - 1) > 1e-9) AS wrong
    FROM (SELECT title_key, sum(weight) AS weight FROM bridge_title_country GROUP BY title_key)
),

genre_check AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys,
        count(*) FILTER (WHERE abs(weight - 1) > 1e-9) AS wrong
    FROM (SELECT title_key, sum(weight) AS weight FROM bridge_title_genre GROUP BY title_key)
),

cast_check AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys,
        count(*) FILTER (WHERE abs(weight - 1) > 1e-9) AS wrong
    FROM (SELECT title_key, sum(weight) AS weight FROM bridge_title_cast GROUP BY title_key)
),

director_check AS (
    SELECT
        count(*) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) AS keys,
        count(*) FILTER (WHERE abs(weight - 1) > 1e-9) AS wrong
    FROM (SELECT title_key, sum(weight) AS weight FROM bridge_title_director GROUP BY title_key)
),

country_kpi AS (
    SELECT
        count(*) AS countries,
        coalesce(sum(weighted_titles), 0) AS weighted_titles
    FROM kpi_titles_by_country
),

genre_kpi AS (
    SELECT
        count(*) AS genres,
        coalesce(sum(titles), 0) AS titles,
        coalesce(sum(weighted_titles), 0) AS weighted_titles
    FROM kpi_top_genres
)

SELECT
    facts.versions - history.versions AS one_fact_per_version,
    titles.versions - history.versions AS one_title_row_per_version,
    CAST(
        facts.keys IS DISTINCT FROM history.keys OR facts.keys IS DISTINCT FROM titles.keys
        AS INTEGER
    ) AS every_fact_finds_its_title,
    dimensions.facts - facts.versions AS keys_are_unique,
    dimensions.without_rating AS every_fact_finds_its_rating,
    dimensions.without_date AS every_fact_finds_its_dates,
    country_check.wrong
        + abs(country_check.versions - history.country_versions)
        + CAST(country_check.keys IS DISTINCT FROM history.country_keys AS INTEGER)
        AS country_weights_sum_to_1,
    genre_check.wrong
        + abs(genre_check.versions - history.genre_versions)
        + CAST(genre_check.keys IS DISTINCT FROM history.genre_keys AS INTEGER)
        AS genre_weights_sum_to_1,
    cast_check.wrong
        + abs(cast_check.versions - history.cast_versions)
        + CAST(cast_check.keys IS DISTINCT FROM history.cast_keys AS INTEGER)
        AS cast_weights_sum_to_1,
    director_check.wrong
        + abs(director_check.versions - history.director_versions)
        + CAST(director_check.keys IS DISTINCT FROM history.director_keys AS INTEGER)
        AS director_weights_sum_to_1,
    (
        SELECT count(*) FROM bridge_title_country AS bridge
        LEFT JOIN dim_country AS dim ON bridge.country_key = dim.country_key
        WHERE dim.country_key IS NULL
    ) AS every_bridge_finds_its_country,
    (
        SELECT count(*) FROM bridge_title_genre AS bridge
        LEFT JOIN dim_genre AS dim ON bridge.genre_key = dim.genre_key
        WHERE dim.genre_key IS NULL
    ) AS every_bridge_finds_its_genre,
    (
        SELECT count(*) FROM bridge_title_cast AS bridge
        LEFT JOIN dim_person AS dim ON bridge.person_key = dim.person_key
        WHERE dim.person_key IS NULL
    ) + (
        SELECT count(*) FROM bridge_title_director AS bridge
        LEFT JOIN dim_person AS dim ON bridge.person_key = dim.person_key
        WHERE dim.person_key IS NULL
    ) AS every_bridge_finds_its_person,
    (SELECT count(*) - count(DISTINCT country) FROM dim_country)
        + (SELECT count(*) - count(DISTINCT genre) FROM dim_genre)
        + (SELECT count(*) - count(DISTINCT person) FROM dim_person) AS names_are_unique,
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
    CAST(
        abs(country_kpi.weighted_titles - current_titles.titles)
            > 0.001 * (country_kpi.countries + 1)
        AS INTEGER
    ) AS kpi_titles_by_country_is_current,
    CAST(
        abs(genre_kpi.weighted_titles - current_titles.titles) > 0.001 * (genre_kpi.genres + 1)
        AS INTEGER
    ) AS kpi_top_genres_is_current,
    (SELECT coalesce(sum(titles), 0) FROM kpi_genres_over_time)
        - genre_kpi.titles AS kpi_genres_over_time_is_genres
FROM current_titles
CROSS JOIN history
CROSS JOIN titles
CROSS JOIN facts
CROSS JOIN dimensions
CROSS JOIN country_check
CROSS JOIN genre_check
CROSS JOIN cast_check
CROSS JOIN director_check
CROSS JOIN country_kpi
CROSS JOIN genre_kpi;
