-- What is known of names: the audience of a rating and its place in the order; a country's code.
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
