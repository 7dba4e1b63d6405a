-- How many versions have NA in a list of people or genres, where it means a missing value.
SELECT count(*) AS versions
FROM analytics_netflix_history
WHERE 'NA' IN (director, "cast", listed_in);
