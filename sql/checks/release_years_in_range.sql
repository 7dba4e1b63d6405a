-- Every release year is one that the contract allows: staging quarantines others.
-- broken: A release year is one that the contract does not allow.
-- severity: error
-- scope: begun
SELECT
    title_id,
    title,
    release_year
FROM analytics_netflix_current
WHERE release_year < getvariable('earliest_year')
    OR release_year > year(getvariable('checked_at')) + getvariable('years_ahead');
