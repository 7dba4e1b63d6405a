-- Counts the current titles of each country, genre and person in the star schema.
-- Grain: one row per member (NULL: titles without one), length of the list, and when added.
-- Inputs -> outputs: star_changes, country_members, genre_members, fact_title_catalog, bridges ->
--   temp tables counted_countries, counted_genres and counted_people.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE counted_countries AS
SELECT
    members.country_key,
    coalesce(members.member_count, 1) AS member_count,
    date_key(changes.date_added) AS date_added_key,
    count(*) AS titles
FROM star_changes AS changes
LEFT JOIN country_members AS members ON changes.country = members.country
WHERE changes.is_current
GROUP BY members.country_key, coalesce(members.member_count, 1), date_key(changes.date_added);

CREATE OR REPLACE TEMP TABLE counted_genres AS
SELECT
    members.genre_key,
    coalesce(members.member_count, 1) AS member_count,
    CAST(year(changes.date_added) AS INTEGER) AS year_added,
    count(*) AS titles
FROM star_changes AS changes
LEFT JOIN genre_members AS members ON changes.listed_in = members.listed_in
WHERE changes.is_current
GROUP BY
    members.genre_key,
    coalesce(members.member_count, 1),
    CAST(year(changes.date_added) AS INTEGER);

CREATE OR REPLACE TEMP TABLE counted_people AS
WITH credits AS (
    SELECT
        title_key,
        person_key,
        'cast' AS role
    FROM bridge_title_cast
    UNION ALL
    SELECT
        title_key,
        person_key,
        'director' AS role
    FROM bridge_title_director
)

SELECT
    credits.role,
    credits.person_key,
    count(*) AS titles
FROM credits
INNER JOIN fact_title_catalog AS facts ON credits.title_key = facts.title_key
WHERE facts.is_current
GROUP BY credits.role, credits.person_key;
