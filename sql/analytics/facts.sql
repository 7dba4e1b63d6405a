-- Builds the fact table, and its bridges to dimensions of which a title has several members.
-- Grain: fact_title_catalog one row per title version; each bridge one row per title version and
--   member of its list. A version without a list has no row in the bridge.
-- Inputs -> outputs: star_changes, the dimensions, temp macros list_members and date_key -> the
--   five tables, temp tables country_members and genre_members.
-- Running it twice is safe: the caller adds a version once, and in one transaction.

-- Each list of countries or genres is taken apart once, even if many versions have it.
CREATE OR REPLACE TEMP TABLE country_members AS
WITH lists AS (
    SELECT
        country,
        list_members(country) AS members
    FROM star_changes
    WHERE country IS NOT NULL
    GROUP BY country
),

members AS (
    SELECT
        country,
        unnest(members) AS name,
        generate_subscripts(members, 1) AS place
    FROM lists
)

-- A list that has a country twice, by two names, gets one row for it.
SELECT
    members.country,
    names.country_key,
    CAST(min(members.place) AS INTEGER) AS "position",
    CAST(count(*) OVER (PARTITION BY members.country) AS INTEGER) AS member_count
FROM members
INNER JOIN dim_country_name AS names ON members.name = names.name
GROUP BY members.country, names.country_key;

CREATE OR REPLACE TEMP TABLE genre_members AS
WITH lists AS (
    SELECT
        listed_in,
        list_members(listed_in) AS members
    FROM star_changes
    WHERE listed_in IS NOT NULL
    GROUP BY listed_in
),

members AS (
    SELECT
        listed_in,
        unnest(members) AS genre,
        generate_subscripts(members, 1) AS place,
        array_length(members) AS member_count
    FROM lists
)

SELECT
    members.listed_in,
    genres.genre_key,
    CAST(members.place AS INTEGER) AS "position",
    CAST(members.member_count AS INTEGER) AS member_count
FROM members
INNER JOIN dim_genre AS genres ON members.genre = genres.genre;

INSERT INTO fact_title_catalog
SELECT
    changes.title_key,
    date_key(changes.date_added) AS date_added_key,
    date_key(CAST(changes.valid_from AS DATE)) AS valid_from_key,
    date_key(CAST(changes.valid_to AS DATE)) AS valid_to_key,
    ratings.rating_key,
    changes."type",
    changes.release_year,
    changes.duration_minutes,
    changes.seasons,
    changes.is_current
FROM star_changes AS changes
LEFT JOIN dim_rating AS ratings ON coalesce(changes.rating, 'Unknown') = ratings.rating
WHERE changes.is_begun;

INSERT INTO bridge_title_country
SELECT
    changes.title_key,
    members.country_key,
    members."position",
    CAST(1 AS DOUBLE) / members.member_count AS weight
FROM star_changes AS changes
INNER JOIN country_members AS members ON changes.country = members.country
WHERE changes.is_begun;

INSERT INTO bridge_title_genre
SELECT
    changes.title_key,
    members.genre_key,
    members."position",
    CAST(1 AS DOUBLE) / members.member_count AS weight
FROM star_changes AS changes
INNER JOIN genre_members AS members ON changes.listed_in = members.listed_in
WHERE changes.is_begun;

INSERT INTO bridge_title_director
WITH lists AS (
    SELECT
        title_key,
        list_members(director) AS members
    FROM star_changes
    WHERE is_begun AND director IS NOT NULL
),

members AS (
    SELECT
        title_key,
        unnest(members) AS person,
        generate_subscripts(members, 1) AS place,
        array_length(members) AS member_count
    FROM lists
)

SELECT
    members.title_key,
    dim_person.person_key,
    CAST(members.place AS INTEGER) AS "position",
    CAST(1 AS DOUBLE) / members.member_count AS weight
FROM members
INNER JOIN dim_person ON members.person = dim_person.person;

-- A title has some seven people, each with its key: a dictionary holds the keys in half the space
-- of FSST, which suits the others (see database.py); step 08 writes no large table after this.
SET force_compression = 'dictionary';

INSERT INTO bridge_title_cast
WITH lists AS (
    SELECT
        title_key,
        list_members("cast") AS members
    FROM star_changes
    WHERE is_begun AND "cast" IS NOT NULL
),

members AS (
    SELECT
        title_key,
        unnest(members) AS person,
        generate_subscripts(members, 1) AS place,
        array_length(members) AS member_count
    FROM lists
)

SELECT
    members.title_key,
    dim_person.person_key,
    CAST(members.place AS INTEGER) AS "position",
    CAST(1 AS DOUBLE) / members.member_count AS weight
FROM members
INNER JOIN dim_person ON members.person = dim_person.person;
