-- The current titles, counted by what the page filters and draws.
-- Grain: one row per combination of type, release year, year and month added, rating, countries and
--   genres. detail 2 keeps whole lists and months; 1 the first country, two genres and years; 0 no
--   genres either: so the page stays small, however many titles there are.
-- Inputs -> outputs: analytics_netflix_current; session variable detail -> the result set.
-- Running it twice is safe: it only reads.
WITH titles AS (
    SELECT
        coalesce("type", 'Unknown') AS "type",
        release_year,
        CASE
            WHEN getvariable('detail') = 2 THEN strftime(date_added, '%Y-%m')
            ELSE strftime(date_added, '%Y')
        END AS added,
        coalesce(rating, 'Unknown') AS rating,
        CASE
            WHEN getvariable('detail') = 2 THEN coalesce(country, 'Unknown')
            ELSE split_part(coalesce(country, 'Unknown'), ', ', 1)
        END AS countries,
        CASE getvariable('detail')
            WHEN 2 THEN coalesce(listed_in, 'Unknown')
            WHEN 1 THEN regexp_extract(coalesce(listed_in, 'Unknown'), '^[^,]*(, [^,]*)?')
            ELSE 'All'
        END AS genres
    FROM analytics_netflix_current
)

SELECT
    "type",
    release_year,
    added,
    rating,
    countries,
    genres,
    count(*) AS titles
FROM titles
GROUP BY "type", release_year, added, rating, countries, genres
ORDER BY "type", release_year, added, rating, countries, genres;
