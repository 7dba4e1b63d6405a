-- Every rating is one that the contract names (audiences of [columns.rating]).
-- broken: A rating is not one that the contract names (audiences of [columns.rating]).
-- severity: warn
-- scope: begun
-- way_out: add the rating to [columns.rating.audiences] of the contract, or map it with `values`.
SELECT
    rating,
    count(*) AS titles,
    min(show_id) AS example
FROM analytics_netflix_current
WHERE getvariable('expects_ratings')
    AND rating IS NOT NULL
    AND NOT list_contains(getvariable('expected_ratings'), rating)
GROUP BY rating;
