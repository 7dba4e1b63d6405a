-- The page's cube with fewer combinations, for catalogues of which the whole is too large.
-- Grain: as page_cube, of the first country and the first cube_genres genres; names beyond the
--   cube_names most frequent are 'Other', dates years; with cube_decades, decades and no dates.
-- Inputs -> outputs: temp table page_cube; session variables cube_genres, cube_names,
--   cube_decades -> temp table page_cube.
-- Running it twice is safe: a coarse cube stays as it is.
CREATE OR REPLACE TEMP TABLE page_cube AS
WITH cut AS (
    SELECT
        "type",
        CASE
            WHEN getvariable('cube_decades') THEN release_year // 10 * 10
            ELSE release_year
        END AS release_year,
        CASE WHEN NOT getvariable('cube_decades') THEN "left"(added, 4) END AS added,
        rating,
        split_part(countries, ', ', 1) AS countries,
        CASE
            WHEN getvariable('cube_genres') = 1 THEN split_part(genres, ', ', 1)
            ELSE regexp_extract(genres, '^[^,]*(, [^,]*)?')
        END AS genres,
        titles,
        titles_before,
        new_titles,
        changed_titles,
        gone_titles
    FROM page_cube
),

named AS (
    SELECT
        'rating' AS kind,
        rating AS name,
        titles
    FROM cut
    UNION ALL
    SELECT
        'country' AS kind,
        countries AS name,
        titles
    FROM cut
    UNION ALL
    SELECT
        'genre' AS kind,
        genres AS name,
        titles
    FROM cut
),

kept AS (
    SELECT
        kind,
        name
    FROM named
    GROUP BY kind, name
    QUALIFY
        row_number() OVER (PARTITION BY kind ORDER BY sum(titles) DESC, name)
        <= getvariable('cube_names')
)

SELECT
    cut."type",
    cut.release_year,
    cut.added,
    coalesce(ratings.name, 'Other') AS rating,
    coalesce(countries.name, 'Other') AS countries,
    coalesce(genres.name, 'Other') AS genres,
    sum(cut.titles) AS titles,
    sum(cut.titles_before) AS titles_before,
    sum(cut.new_titles) AS new_titles,
    sum(cut.changed_titles) AS changed_titles,
    sum(cut.gone_titles) AS gone_titles
FROM cut
LEFT JOIN kept AS ratings ON ratings.kind = 'rating' AND cut.rating = ratings.name
LEFT JOIN kept AS countries ON countries.kind = 'country' AND cut.countries = countries.name
LEFT JOIN kept AS genres ON genres.kind = 'genre' AND cut.genres = genres.name
GROUP BY
    cut."type",
    cut.release_year,
    cut.added,
    coalesce(ratings.name, 'Other'),
    coalesce(countries.name, 'Other'),
    coalesce(genres.name, 'Other');
