-- Every rating is one that the rating boards use.
-- severity: warn
SELECT
    rating,
    count(*) AS titles,
    min(show_id) AS example
FROM analytics_netflix_current
WHERE rating NOT IN (
    'G', 'PG', 'PG-13', 'R', 'NC-17', 'NR', 'UR', 'TV-Y', 'TV-Y7', 'TV-Y7-FV', 'TV-G', 'TV-PG',
    'TV-14', 'TV-MA'
)
GROUP BY rating;
