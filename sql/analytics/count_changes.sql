-- Lists the sums as they are, what the newest merge began (1 each) and what it ended (-1 each).
-- Grain: as in count_all.sql, which counts the same in full; here not added up yet.
-- Inputs -> outputs: star_changes (of take_changes.sql), the dimensions, the sums_ tables -> temp
--   tables counted_countries, counted_genres and counted_people.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE counted_countries AS
WITH named AS (
    SELECT
        title_key,
        unnest(list_members(country)) AS name,
        date_key(date_added) AS date_added_key,
        is_begun
    FROM star_changes
    WHERE country IS NOT NULL
),

countries AS (
    SELECT DISTINCT
        named.title_key,
        names.country_key,
        named.date_added_key,
        named.is_begun
    FROM named
    INNER JOIN dim_country_name AS names ON named.name = names.name
),

changed AS (
    SELECT
        country_key,
        count(*) OVER (PARTITION BY title_key) AS member_count,
        date_added_key,
        is_begun
    FROM countries
    UNION ALL
    SELECT
        NULL AS country_key,
        1 AS member_count,
        date_key(date_added) AS date_added_key,
        is_begun
    FROM star_changes
    WHERE country IS NULL
)

SELECT
    country_key,
    CAST(member_count AS INTEGER) AS member_count,
    date_added_key,
    CASE WHEN is_begun THEN 1 ELSE -1 END AS titles
FROM changed
UNION ALL
SELECT
    country_key,
    member_count,
    date_added_key,
    titles
FROM sums_title_country;

CREATE OR REPLACE TEMP TABLE counted_genres AS
WITH lists AS (
    SELECT
        list_members(listed_in) AS members,
        year(date_added) AS year_added,
        is_begun
    FROM star_changes
    WHERE listed_in IS NOT NULL
),

members AS (
    SELECT
        unnest(members) AS genre,
        array_length(members) AS member_count,
        year_added,
        is_begun
    FROM lists
),

changed AS (
    SELECT
        genres.genre_key,
        members.member_count,
        members.year_added,
        members.is_begun
    FROM members
    INNER JOIN dim_genre AS genres ON members.genre = genres.genre
    UNION ALL
    SELECT
        NULL AS genre_key,
        1 AS member_count,
        year(date_added) AS year_added,
        is_begun
    FROM star_changes
    WHERE listed_in IS NULL
)

SELECT
    genre_key,
    CAST(member_count AS INTEGER) AS member_count,
    CAST(year_added AS INTEGER) AS year_added,
    CASE WHEN is_begun THEN 1 ELSE -1 END AS titles
FROM changed
UNION ALL
SELECT
    genre_key,
    member_count,
    year_added,
    titles
FROM sums_title_genre;

CREATE OR REPLACE TEMP TABLE counted_people AS
WITH members AS (
    SELECT
        'cast' AS role,
        unnest(list_members("cast")) AS person,
        is_begun
    FROM star_changes
    UNION ALL
    SELECT
        'director' AS role,
        unnest(list_members(director)) AS person,
        is_begun
    FROM star_changes
)

SELECT
    members.role,
    people.person_key,
    CASE WHEN members.is_begun THEN 1 ELSE -1 END AS titles
FROM members
INNER JOIN dim_person AS people ON members.person = people.person
UNION ALL
SELECT
    role,
    person_key,
    titles
FROM sums_title_person;
