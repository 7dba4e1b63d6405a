-- Measures what is in step 08's tables, as counts and sums of hashes, so that a change made outside
-- the pipeline shows before a night builds on it. The fact table is compared with the history.
-- Grain: contents_now one row per table; of those that only grow, the rows from rows_<table> on.
-- Inputs -> outputs: the star schema, its sums, session variables rows_<table> -> temp table
--   contents_now.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE contents_now AS
SELECT
    'bridge_title_cast' AS table_name,
    true AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(title_key, person_key, "position", weight) AS HUGEINT)) AS content
FROM bridge_title_cast
WHERE rowid >= getvariable('rows_bridge_title_cast')
UNION ALL
SELECT
    'bridge_title_country' AS table_name,
    true AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(title_key, country_key, "position", weight) AS HUGEINT)) AS content
FROM bridge_title_country
WHERE rowid >= getvariable('rows_bridge_title_country')
UNION ALL
SELECT
    'bridge_title_director' AS table_name,
    true AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(title_key, person_key, "position", weight) AS HUGEINT)) AS content
FROM bridge_title_director
WHERE rowid >= getvariable('rows_bridge_title_director')
UNION ALL
SELECT
    'bridge_title_genre' AS table_name,
    true AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(title_key, genre_key, "position", weight) AS HUGEINT)) AS content
FROM bridge_title_genre
WHERE rowid >= getvariable('rows_bridge_title_genre')
UNION ALL
SELECT
    'dim_person' AS table_name,
    true AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(person_key, person, first_seen_at) AS HUGEINT)) AS content
FROM dim_person
WHERE rowid >= getvariable('rows_dim_person')
UNION ALL
SELECT
    'dim_country' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(
        CAST(
            hash(
                country_key, country, iso_alpha2, iso_alpha3, iso_numeric, iso_name, status,
                first_seen_at
            ) AS HUGEINT
        )
    ) AS content
FROM dim_country
UNION ALL
SELECT
    'dim_country_name' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(name, country_key, is_main, first_seen_at) AS HUGEINT)) AS content
FROM dim_country_name
UNION ALL
SELECT
    'dim_date' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(
        CAST(
            hash(
                date_key, full_date, "year", quarter, "month", month_name, month_start_date, "day",
                day_of_week, day_name, is_weekend
            ) AS HUGEINT
        )
    ) AS content
FROM dim_date
UNION ALL
SELECT
    'dim_genre' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(genre_key, genre, first_seen_at) AS HUGEINT)) AS content
FROM dim_genre
UNION ALL
SELECT
    'dim_rating' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(rating_key, rating, audience, rating_order, is_listed) AS HUGEINT)) AS content
FROM dim_rating
UNION ALL
SELECT
    'sums_title_country' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(country_key, member_count, date_added_key, titles) AS HUGEINT)) AS content
FROM sums_title_country
UNION ALL
SELECT
    'sums_title_genre' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(genre_key, member_count, year_added, titles) AS HUGEINT)) AS content
FROM sums_title_genre
UNION ALL
SELECT
    'sums_title_person' AS table_name,
    false AS is_growing,
    count(*) AS row_count,
    sum(CAST(hash(role, person_key, titles) AS HUGEINT)) AS content
FROM sums_title_person;
