-- Counts the current titles of each country, genre and person in the star schema.
-- Grain: one row per member (NULL: titles without one), length of the list, and when added.
-- Inputs -> outputs: fact_title_catalog, the bridges -> temp tables counted_countries,
--   counted_genres and counted_people.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE counted_countries AS
SELECT
    bridge.country_key,
    CAST(coalesce(round(1 / bridge.weight), 1) AS INTEGER) AS member_count,
    facts.date_added_key,
    count(*) AS titles
FROM fact_title_catalog AS facts
LEFT JOIN bridge_title_country AS bridge ON facts.title_key = bridge.title_key
WHERE facts.is_current
GROUP BY
    bridge.country_key,
    CAST(coalesce(round(1 / bridge.weight), 1) AS INTEGER),
    facts.date_added_key;

CREATE OR REPLACE TEMP TABLE counted_genres AS
SELECT
    bridge.genre_key,
    CAST(coalesce(round(1 / bridge.weight), 1) AS INTEGER) AS member_count,
    dates."year" AS year_added,
    count(*) AS titles
FROM fact_title_catalog AS facts
INNER JOIN dim_date AS dates ON facts.date_added_key = dates.date_key
LEFT JOIN bridge_title_genre AS bridge ON facts.title_key = bridge.title_key
WHERE facts.is_current
GROUP BY
    bridge.genre_key,
    CAST(coalesce(round(1 / bridge.weight), 1) AS INTEGER),
    dates."year";

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
