-- Invariants of facts and bridges after a full build: every column must be zero. Sets of keys are
-- compared by number and sum of hashes, a tenth of a join's cost.
WITH history AS (
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

-- Keys count from 1: the lowest and the highest of a bridge show whether it finds them all.
names AS (
    SELECT
        (SELECT count(*) FROM dim_country) AS countries,
        (SELECT count(*) FROM dim_genre) AS genres,
        (SELECT count(*) FROM dim_person) AS people
),

-- Weights are added up as whole billionths: a sum of a million fractions drifts.
country_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(country_key) AS without_key,
        coalesce(min(country_key), 1) AS first_key,
        coalesce(max(country_key), 0) AS last_key
    FROM bridge_title_country
),

genre_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(genre_key) AS without_key,
        coalesce(min(genre_key), 1) AS first_key,
        coalesce(max(genre_key), 0) AS last_key
    FROM bridge_title_genre
),

cast_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(person_key) AS without_key,
        coalesce(min(person_key), 1) AS first_key,
        coalesce(max(person_key), 0) AS last_key
    FROM bridge_title_cast
),

director_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(person_key) AS without_key,
        coalesce(min(person_key), 1) AS first_key,
        coalesce(max(person_key), 0) AS last_key
    FROM bridge_title_director
)

SELECT
    facts.versions - history.versions AS one_fact_per_version,
    titles.versions - history.versions AS one_title_row_per_version,
    CAST(
        facts.keys IS DISTINCT FROM history.keys OR facts.keys IS DISTINCT FROM titles.keys
        AS INTEGER
    ) AS every_fact_finds_its_title,
    CAST(country_check.has_wrong_weights AS INTEGER)
        + abs(country_check.versions - history.country_versions)
        + CAST(country_check.keys IS DISTINCT FROM history.country_keys AS INTEGER)
        AS country_weights_sum_to_1,
    CAST(genre_check.has_wrong_weights AS INTEGER)
        + abs(genre_check.versions - history.genre_versions)
        + CAST(genre_check.keys IS DISTINCT FROM history.genre_keys AS INTEGER)
        AS genre_weights_sum_to_1,
    CAST(cast_check.has_wrong_weights AS INTEGER)
        + abs(cast_check.versions - history.cast_versions)
        + CAST(cast_check.keys IS DISTINCT FROM history.cast_keys AS INTEGER)
        AS cast_weights_sum_to_1,
    CAST(director_check.has_wrong_weights AS INTEGER)
        + abs(director_check.versions - history.director_versions)
        + CAST(director_check.keys IS DISTINCT FROM history.director_keys AS INTEGER)
        AS director_weights_sum_to_1,
    country_check.without_key
        + CAST(country_check.first_key < 1 OR country_check.last_key > names.countries AS INTEGER)
        AS every_bridge_finds_its_country,
    genre_check.without_key
        + CAST(genre_check.first_key < 1 OR genre_check.last_key > names.genres AS INTEGER)
        AS every_bridge_finds_its_genre,
    cast_check.without_key
        + CAST(cast_check.first_key < 1 OR cast_check.last_key > names.people AS INTEGER)
        + director_check.without_key
        + CAST(director_check.first_key < 1 OR director_check.last_key > names.people AS INTEGER)
        AS every_bridge_finds_its_person
FROM history
CROSS JOIN titles
CROSS JOIN facts
CROSS JOIN names
CROSS JOIN country_check
CROSS JOIN genre_check
CROSS JOIN cast_check
CROSS JOIN director_check;
