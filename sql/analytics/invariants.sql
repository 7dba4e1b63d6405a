-- Invariants of the names, the sums and the KPIs: every column must be zero; weights to 0.001 per
-- row (views round).
WITH current_titles AS (
    SELECT count(*) AS titles
    FROM analytics_netflix_current
),

unknown_keys AS (
    SELECT
        count(*) FILTER (WHERE kind = 'rating') AS ratings,
        count(*) FILTER (WHERE kind = 'date') AS dates
    FROM (
        SELECT
            'rating' AS kind,
            rating_key AS found_key
        FROM fact_title_catalog
        UNION
        SELECT
            'date' AS kind,
            date_added_key AS found_key
        FROM fact_title_catalog
        UNION
        SELECT
            'date' AS kind,
            valid_from_key AS found_key
        FROM fact_title_catalog
        UNION
        SELECT
            'date' AS kind,
            valid_to_key AS found_key
        FROM fact_title_catalog
    ) AS used
    LEFT JOIN (
        SELECT
            'rating' AS known_kind,
            rating_key AS known_key
        FROM dim_rating
        UNION ALL
        SELECT
            'date' AS known_kind,
            date_key AS known_key
        FROM dim_date
    ) AS known ON used.kind = known.known_kind AND used.found_key = known.known_key
    WHERE known.known_key IS NULL
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
    (SELECT count(*) - count(DISTINCT date_key) FROM dim_date)
        + (SELECT count(*) - count(DISTINCT rating_key) FROM dim_rating)
        + (SELECT coalesce(max(country_key), 0) - count(DISTINCT country_key) FROM dim_country)
        + (SELECT coalesce(max(genre_key), 0) - count(DISTINCT genre_key) FROM dim_genre)
        + (SELECT coalesce(max(person_key), 0) - count(DISTINCT person_key) FROM dim_person)
        AS keys_are_unique,
    unknown_keys.ratings AS every_fact_finds_its_rating,
    unknown_keys.dates AS every_fact_finds_its_dates,
    (SELECT count(*) - count(DISTINCT country) FROM dim_country)
        + (SELECT count(*) - count(DISTINCT name) FROM dim_country_name)
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
        - genre_kpi.titles AS kpi_genres_over_time_is_genres,
    (SELECT count(*) FROM sums_title_country WHERE titles < 1)
        + (SELECT count(*) FROM sums_title_genre WHERE titles < 1)
        + (SELECT count(*) FROM sums_title_person WHERE titles < 1) AS sums_are_positive
FROM current_titles
CROSS JOIN unknown_keys
CROSS JOIN country_kpi
CROSS JOIN genre_kpi;
