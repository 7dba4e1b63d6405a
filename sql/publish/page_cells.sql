-- The page's cube, in an order that is always the same.
SELECT
    "type",
    release_year,
    added,
    rating,
    countries,
    genres,
    CAST(titles AS INTEGER) AS titles,
    CAST(titles_before AS INTEGER) AS titles_before,
    CAST(new_titles AS INTEGER) AS new_titles,
    CAST(changed_titles AS INTEGER) AS changed_titles,
    CAST(gone_titles AS INTEGER) AS gone_titles
FROM page_cube
ORDER BY "type", release_year, added, rating, countries, genres;
