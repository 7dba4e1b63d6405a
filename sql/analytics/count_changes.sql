-- Lists the sums as they are, what the newest merge began (1 each) and what it ended (-1 each).
-- Grain: as in count_all.sql, which counts the same in full; here not added up yet.
-- Inputs -> outputs: star_changes, country_members, genre_members, dim_person, the sums_ tables ->
--   temp tables counted_countries, counted_genres and counted_people.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE counted_countries AS
SELECT
    members.country_key,
    coalesce(members.member_count, 1) AS member_count,
    date_key(changes.date_added) AS date_added_key,
    CASE WHEN changes.is_begun THEN 1 ELSE -1 END AS titles
FROM star_changes AS changes
LEFT JOIN country_members AS members ON changes.country = members.country
UNION ALL
SELECT
    country_key,
    member_count,
    date_added_key,
    titles
FROM sums_title_country;

CREATE OR REPLACE TEMP TABLE counted_genres AS
SELECT
    members.genre_key,
    coalesce(members.member_count, 1) AS member_count,
    CAST(year(changes.date_added) AS INTEGER) AS year_added,
    CASE WHEN changes.is_begun THEN 1 ELSE -1 END AS titles
FROM star_changes AS changes
LEFT JOIN genre_members AS members ON changes.listed_in = members.listed_in
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
),

-- Added up before the join, which DuckDB plans as if star_changes had no row.
changed AS (
    SELECT
        role,
        person,
        sum(CASE WHEN is_begun THEN 1 ELSE -1 END) AS titles
    FROM members
    GROUP BY role, person
)

SELECT
    changed.role,
    people.person_key,
    CAST(changed.titles AS BIGINT) AS titles
FROM changed
INNER JOIN dim_person AS people ON changed.person = people.person
UNION ALL
SELECT
    role,
    person_key,
    titles
FROM sums_title_person;
