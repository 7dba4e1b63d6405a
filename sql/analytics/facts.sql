-- Builds the fact table, and its bridges to dimensions of which a title has several members.
-- Grain: fact_title_catalog one row per title version; each bridge one row per title version and
--   member of its list. A version without a list has no row in the bridge.
-- Inputs -> outputs: star_changes (of take_all.sql or take_changes.sql), the dimensions, temp
--   macros list_members and date_key -> the five tables.
-- Running it twice is safe: the caller adds a version once, and in one transaction.

-- A bridge repeats its keys: a dictionary holds them in half the space and 1.5 s less at a million
-- titles than FSST, which suits large tables (see warehouse.py); step 08 writes none after this.
SET force_compression = 'dictionary';

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

COMMENT ON TABLE fact_title_catalog IS
    'The catalogue: one row per title version; with is_current, one row per title it has now.';
COMMENT ON COLUMN fact_title_catalog.title_key IS 'The version, in dim_title and in the bridges.';
COMMENT ON COLUMN fact_title_catalog.date_added_key IS
    'Day the title was added, in dim_date; 0 is no date.';
COMMENT ON COLUMN fact_title_catalog.valid_from_key IS
    'Day of the snapshot that began the version, in dim_date.';
COMMENT ON COLUMN fact_title_catalog.valid_to_key IS
    'Day of the snapshot that ended the version, in dim_date; 0 while it is open.';
COMMENT ON COLUMN fact_title_catalog.rating_key IS 'The age rating, in dim_rating; 0 is none.';
COMMENT ON COLUMN fact_title_catalog."type" IS 'Movie or TV Show (as in dim_title).';
COMMENT ON COLUMN fact_title_catalog.release_year IS 'Year of release (as in dim_title).';
COMMENT ON COLUMN fact_title_catalog.duration_minutes IS 'Length in minutes; NULL for a series.';
COMMENT ON COLUMN fact_title_catalog.seasons IS 'Number of seasons; NULL for a film.';
COMMENT ON COLUMN fact_title_catalog.is_current IS
    'Whether the version is in the catalogue now; sum up only these.';

INSERT INTO bridge_title_country
WITH lists AS (
    SELECT
        title_key,
        list_members(country) AS members
    FROM star_changes
    WHERE is_begun AND country IS NOT NULL
),

members AS (
    SELECT
        title_key,
        unnest(members) AS country,
        generate_subscripts(members, 1) AS place
    FROM lists
)

-- A title that has a country twice, by two names, gets one row for it.
SELECT
    members.title_key,
    names.country_key,
    CAST(min(members.place) AS INTEGER) AS "position",
    CAST(1 AS DOUBLE) / count(*) OVER (PARTITION BY members.title_key) AS weight
FROM members
INNER JOIN dim_country_name AS names ON members.country = names.name
GROUP BY members.title_key, names.country_key;

COMMENT ON TABLE bridge_title_country IS
    'Countries of a title: one row per title version and country.';
COMMENT ON COLUMN bridge_title_country.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_country.country_key IS 'The country, in dim_country.';
COMMENT ON COLUMN bridge_title_country."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_country.weight IS
    '1 / number of countries of the title, so that weighted sums are totals.';

INSERT INTO bridge_title_genre
WITH lists AS (
    SELECT
        title_key,
        list_members(listed_in) AS members
    FROM star_changes
    WHERE is_begun AND listed_in IS NOT NULL
),

members AS (
    SELECT
        title_key,
        unnest(members) AS genre,
        generate_subscripts(members, 1) AS place,
        array_length(members) AS member_count
    FROM lists
)

SELECT
    members.title_key,
    dim_genre.genre_key,
    CAST(members.place AS INTEGER) AS "position",
    CAST(1 AS DOUBLE) / members.member_count AS weight
FROM members
INNER JOIN dim_genre ON members.genre = dim_genre.genre;

COMMENT ON TABLE bridge_title_genre IS
    'Genres of a title: one row per title version and genre.';
COMMENT ON COLUMN bridge_title_genre.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_genre.genre_key IS 'The genre, in dim_genre.';
COMMENT ON COLUMN bridge_title_genre."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_genre.weight IS
    '1 / number of genres of the title, so that weighted sums are totals.';

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

COMMENT ON TABLE bridge_title_cast IS
    'Cast of a title: one row per title version and person, in billing order.';
COMMENT ON COLUMN bridge_title_cast.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_cast.person_key IS 'The person, in dim_person.';
COMMENT ON COLUMN bridge_title_cast."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_cast.weight IS
    '1 / number of people in the cast of the title, so that weighted sums are totals.';

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

COMMENT ON TABLE bridge_title_director IS
    'Directors of a title: one row per title version and person.';
COMMENT ON COLUMN bridge_title_director.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_director.person_key IS 'The person, in dim_person.';
COMMENT ON COLUMN bridge_title_director."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_director.weight IS
    '1 / number of directors of the title, so that weighted sums are totals.';
