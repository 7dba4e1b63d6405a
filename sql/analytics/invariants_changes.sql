-- Invariants after an update by one merge: every column must be zero. Facts and history have the
-- same values, by counts and sums of hashes; each version that began has its lists.
WITH history AS (
    SELECT
        count(*) AS versions,
        sum(
            CAST(
                hash(
                    version_id, date_key(date_added), date_key(CAST(valid_from AS DATE)),
                    date_key(CAST(valid_to AS DATE)), coalesce(rating, 'Unknown'), "type",
                    release_year, duration_minutes, seasons, is_current
                ) AS HUGEINT
            )
        ) AS content
    FROM analytics_netflix_history
),

facts AS (
    SELECT
        count(*) AS versions,
        sum(
            CAST(
                hash(
                    facts.title_key, facts.date_added_key, facts.valid_from_key,
                    facts.valid_to_key, ratings.rating, facts."type", facts.release_year,
                    facts.duration_minutes, facts.seasons, facts.is_current
                ) AS HUGEINT
            )
        ) AS content
    FROM fact_title_catalog AS facts
    LEFT JOIN dim_rating AS ratings ON facts.rating_key = ratings.rating_key
),

begun AS (
    SELECT
        count(country) AS country_versions,
        coalesce(
            sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE country IS NOT NULL), 0
        ) AS country_keys,
        count(listed_in) AS genre_versions,
        coalesce(
            sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE listed_in IS NOT NULL), 0
        ) AS genre_keys,
        count("cast") AS cast_versions,
        coalesce(
            sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "cast" IS NOT NULL), 0
        ) AS cast_keys,
        count(director) AS director_versions,
        coalesce(
            sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE director IS NOT NULL), 0
        ) AS director_keys
    FROM star_changes
    WHERE is_begun
),

-- Weights are added up as whole billionths: a sum of a million fractions drifts.
country_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        coalesce(sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1), 0) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(country_key) AS without_key
    FROM bridge_title_country
    WHERE rowid >= getvariable('rows_bridge_title_country')
),

genre_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        coalesce(sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1), 0) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(genre_key) AS without_key
    FROM bridge_title_genre
    WHERE rowid >= getvariable('rows_bridge_title_genre')
),

cast_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        coalesce(sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1), 0) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(person_key) AS without_key
    FROM bridge_title_cast
    WHERE rowid >= getvariable('rows_bridge_title_cast')
),

director_check AS (
    SELECT
        count(*) FILTER (WHERE "position" = 1) AS versions,
        coalesce(sum(CAST(hash(title_key) AS HUGEINT)) FILTER (WHERE "position" = 1), 0) AS keys,
        abs(
            coalesce(sum(CAST(round(weight * 1e9) AS BIGINT)), 0)
            - 1000000000 * count(*) FILTER (WHERE "position" = 1)
        ) > count(*) / 2 AS has_wrong_weights,
        count(*) - count(person_key) AS without_key
    FROM bridge_title_director
    WHERE rowid >= getvariable('rows_bridge_title_director')
)

SELECT
    facts.versions - history.versions AS one_fact_per_version,
    CAST(facts.content IS DISTINCT FROM history.content AS INTEGER) AS facts_are_the_history,
    country_check.without_key
        + abs(country_check.versions - begun.country_versions)
        + CAST(country_check.keys <> begun.country_keys AS INTEGER)
        + CAST(country_check.has_wrong_weights AS INTEGER)
        AS country_weights_sum_to_1,
    genre_check.without_key
        + abs(genre_check.versions - begun.genre_versions)
        + CAST(genre_check.keys <> begun.genre_keys AS INTEGER)
        + CAST(genre_check.has_wrong_weights AS INTEGER)
        AS genre_weights_sum_to_1,
    cast_check.without_key
        + abs(cast_check.versions - begun.cast_versions)
        + CAST(cast_check.keys <> begun.cast_keys AS INTEGER)
        + CAST(cast_check.has_wrong_weights AS INTEGER)
        AS cast_weights_sum_to_1,
    director_check.without_key
        + abs(director_check.versions - begun.director_versions)
        + CAST(director_check.keys <> begun.director_keys AS INTEGER)
        + CAST(director_check.has_wrong_weights AS INTEGER)
        AS director_weights_sum_to_1
FROM history
CROSS JOIN facts
CROSS JOIN begun
CROSS JOIN country_check
CROSS JOIN genre_check
CROSS JOIN cast_check
CROSS JOIN director_check;
