-- Gives the rare names of the page's cells one name, 'Other'.
-- Grain: as page_cells; the page_names most frequent ratings, countries and genres keep their name.
-- Inputs -> outputs: temp table page_cells; session variable page_names -> temp table page_cells.
-- Running it twice is safe: a name that is Other stays Other.
CREATE OR REPLACE TEMP TABLE page_cells AS
WITH named AS (
    SELECT
        'rating' AS kind,
        rating AS name,
        titles
    FROM page_cells
    UNION ALL
    SELECT
        'country' AS kind,
        countries AS name,
        titles
    FROM page_cells
    UNION ALL
    SELECT
        'genre' AS kind,
        genres AS name,
        titles
    FROM page_cells
),

frequent AS (
    SELECT
        kind,
        name
    FROM named
    GROUP BY kind, name
    QUALIFY
        row_number() OVER (PARTITION BY kind ORDER BY sum(titles) DESC, name)
        <= getvariable('page_names')
)

SELECT
    cells."type",
    cells."year",
    cells.added,
    coalesce(ratings.name, 'Other') AS rating,
    coalesce(countries.name, 'Other') AS countries,
    coalesce(genres.name, 'Other') AS genres,
    CAST(sum(cells.titles) AS INTEGER) AS titles,
    CAST(sum(cells.titles_before) AS INTEGER) AS titles_before,
    CAST(sum(cells.new_titles) AS INTEGER) AS new_titles,
    CAST(sum(cells.changed_titles) AS INTEGER) AS changed_titles,
    CAST(sum(cells.gone_titles) AS INTEGER) AS gone_titles
FROM page_cells AS cells
LEFT JOIN frequent AS ratings ON ratings.kind = 'rating' AND cells.rating = ratings.name
LEFT JOIN frequent AS countries ON countries.kind = 'country' AND cells.countries = countries.name
LEFT JOIN frequent AS genres ON genres.kind = 'genre' AND cells.genres = genres.name
GROUP BY
    cells."type",
    cells."year",
    cells.added,
    coalesce(ratings.name, 'Other'),
    coalesce(countries.name, 'Other'),
    coalesce(genres.name, 'Other');
