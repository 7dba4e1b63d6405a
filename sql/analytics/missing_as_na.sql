-- How many versions have NA in a list where it is no country: there it stands for what is missing.
SELECT count(*) AS versions
FROM analytics_netflix_history
WHERE 'NA' IN (director, "cast", listed_in);
