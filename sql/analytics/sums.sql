-- Stores how many current titles each country, genre and person has, so that no night has to join
-- all titles with all their lists to count them.
-- Grain: one row per member (NULL: titles without one), length of the list, and when added.
-- Inputs -> outputs: temp tables counted_countries, counted_genres and counted_people (of
--   count_all.sql or count_changes.sql) -> the three sums_ tables.
-- Running it twice is safe: the tables are replaced. They hold whole numbers, so nothing drifts.
CREATE OR REPLACE TABLE sums_title_country AS
WITH summed AS (
    SELECT
        country_key,
        member_count,
        date_added_key,
        CAST(sum(titles) AS BIGINT) AS titles
    FROM counted_countries
    GROUP BY country_key, member_count, date_added_key
)

SELECT
    country_key,
    member_count,
    date_added_key,
    titles
FROM summed
WHERE titles <> 0
ORDER BY country_key, member_count, date_added_key;

COMMENT ON TABLE sums_title_country IS
    'Titles of now by country, number of countries of the title, and day added.';
COMMENT ON COLUMN sums_title_country.country_key IS 'The country, in dim_country; NULL is none.';
COMMENT ON COLUMN sums_title_country.member_count IS 'Countries of each of the titles; 1 for none.';
COMMENT ON COLUMN sums_title_country.date_added_key IS 'Day added, in dim_date; 0 is no date.';
COMMENT ON COLUMN sums_title_country.titles IS 'How many titles.';

CREATE OR REPLACE TABLE sums_title_genre AS
WITH summed AS (
    SELECT
        genre_key,
        member_count,
        year_added,
        CAST(sum(titles) AS BIGINT) AS titles
    FROM counted_genres
    GROUP BY genre_key, member_count, year_added
)

SELECT
    genre_key,
    member_count,
    year_added,
    titles
FROM summed
WHERE titles <> 0
ORDER BY genre_key, member_count, year_added;

COMMENT ON TABLE sums_title_genre IS
    'Titles of now by genre, number of genres of the title, and year added.';
COMMENT ON COLUMN sums_title_genre.genre_key IS 'The genre, in dim_genre; NULL is none.';
COMMENT ON COLUMN sums_title_genre.member_count IS 'Genres of each of the titles; 1 for none.';
COMMENT ON COLUMN sums_title_genre.year_added IS 'Year added; NULL is not known.';
COMMENT ON COLUMN sums_title_genre.titles IS 'How many titles.';

CREATE OR REPLACE TABLE sums_title_person AS
WITH summed AS (
    SELECT
        role,
        person_key,
        CAST(sum(titles) AS BIGINT) AS titles
    FROM counted_people
    GROUP BY role, person_key
)

SELECT
    role,
    person_key,
    titles
FROM summed
WHERE titles <> 0
ORDER BY role, person_key;

COMMENT ON TABLE sums_title_person IS 'Titles of now by person and role.';
COMMENT ON COLUMN sums_title_person.role IS 'cast or director.';
COMMENT ON COLUMN sums_title_person.person_key IS 'The person, in dim_person.';
COMMENT ON COLUMN sums_title_person.titles IS 'How many titles.';
