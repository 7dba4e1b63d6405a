-- The audience and order of each rating, and the code of each country.
SELECT
    'rating' AS kind,
    rating AS name,
    audience AS "value",
    rating_order AS position
FROM dim_rating
UNION ALL
SELECT
    'country' AS kind,
    country AS name,
    iso_alpha2 AS "value",
    0 AS position
FROM dim_country
WHERE iso_alpha2 IS NOT NULL AND status = 'current';
