-- Builds the dimensions of the star schema.
-- Grain: dim_date one row per day, the others one row per name.
-- Inputs -> outputs: analytics_netflix_history, star_changes, temp tables of prepare.sql and
--   country_codes.sql, variable audiences -> the six tables.
-- Running it twice is safe: the small tables are replaced, and only new people are added. Names get
--   their keys in the order in which they were first seen, so a new snapshot changes no key.

-- Every day between the first and the last date used. A date mistyped by millennia gets one row,
-- not half a million days before it.
CREATE OR REPLACE TABLE dim_date AS
WITH used AS (
    SELECT date_added AS full_date
    FROM analytics_netflix_history
    WHERE date_added IS NOT NULL
    UNION
    SELECT CAST(valid_from AS DATE) AS full_date
    FROM analytics_netflix_history
    UNION
    SELECT CAST(valid_to AS DATE) AS full_date
    FROM analytics_netflix_history
    WHERE valid_to IS NOT NULL
),

span AS (
    SELECT
        min(full_date) AS first_date,
        max(full_date) AS last_date
    FROM used
    WHERE full_date BETWEEN DATE '1900-01-01' AND DATE '2100-12-31'
),

days AS (
    SELECT CAST(unnest(generate_series(first_date, last_date, INTERVAL 1 DAY)) AS DATE) AS full_date
    FROM span
    UNION
    SELECT full_date
    FROM used
)

SELECT
    date_key(full_date) AS date_key,
    full_date,
    CAST(year(full_date) AS INTEGER) AS "year",
    CAST(quarter(full_date) AS INTEGER) AS quarter,
    CAST(month(full_date) AS INTEGER) AS "month",
    month_name(full_date) AS month_name,
    CAST(date_trunc('month', full_date) AS DATE) AS month_start_date,
    CAST(day(full_date) AS INTEGER) AS "day",
    CAST(isodow(full_date) AS INTEGER) AS day_of_week,
    day_name(full_date) AS day_name,
    isodow(full_date) >= 6 AS is_weekend
FROM days
UNION ALL
SELECT
    0 AS date_key,
    NULL AS full_date,
    NULL AS "year",
    NULL AS quarter,
    NULL AS "month",
    'Unknown' AS month_name,
    NULL AS month_start_date,
    NULL AS "day",
    NULL AS day_of_week,
    'Unknown' AS day_name,
    NULL AS is_weekend
ORDER BY date_key;

COMMENT ON TABLE dim_date IS
    'Days, from the first to the last that the catalogue uses, and key 0 for "no date".';
COMMENT ON COLUMN dim_date.date_key IS 'The day as the number yyyymmdd; 0 is no date.';
COMMENT ON COLUMN dim_date.full_date IS 'The day; NULL for key 0.';
COMMENT ON COLUMN dim_date."year" IS 'Calendar year.';
COMMENT ON COLUMN dim_date.quarter IS 'Quarter, 1 to 4.';
COMMENT ON COLUMN dim_date."month" IS 'Month, 1 to 12.';
COMMENT ON COLUMN dim_date.month_name IS 'English name of the month, or Unknown.';
COMMENT ON COLUMN dim_date.month_start_date IS 'First day of the month.';
COMMENT ON COLUMN dim_date."day" IS 'Day of the month.';
COMMENT ON COLUMN dim_date.day_of_week IS 'ISO day of the week: 1 is Monday, 7 Sunday.';
COMMENT ON COLUMN dim_date.day_name IS 'English name of the day of the week, or Unknown.';
COMMENT ON COLUMN dim_date.is_weekend IS 'Whether the day is a Saturday or a Sunday.';

-- A country is what has one code and name in ISO 3166; an unknown name also counts as one.
CREATE OR REPLACE TABLE dim_country_name AS
WITH coded AS (
    SELECT
        named.country AS name,
        named.first_seen_at,
        named.versions,
        coalesce(codes.iso_alpha3 || '|' || codes.iso_name, named.country) AS identity
    FROM catalog_countries AS named
    LEFT JOIN country_codes AS codes ON named.country = codes.country
    WHERE named.country IS NOT NULL
),

named AS (
    SELECT
        identity,
        name,
        first_seen_at,
        row_number() OVER (PARTITION BY identity ORDER BY first_seen_at, name) AS place
    FROM coded
),

countries AS (
    SELECT
        identity,
        CAST(row_number() OVER (ORDER BY first_seen_at, name) AS INTEGER) AS country_key
    FROM named
    WHERE place = 1
)

SELECT
    coded.name,
    countries.country_key,
    row_number() OVER (
        PARTITION BY countries.country_key ORDER BY coded.versions DESC, coded.name
    ) = 1 AS is_main,
    coded.first_seen_at
FROM coded
INNER JOIN countries ON coded.identity = countries.identity;

COMMENT ON TABLE dim_country_name IS 'The names that the catalogue has for its countries.';
COMMENT ON COLUMN dim_country_name.name IS 'Name in the catalogue.';
COMMENT ON COLUMN dim_country_name.country_key IS 'The country, in dim_country.';
COMMENT ON COLUMN dim_country_name.is_main IS
    'Whether most title versions name the country so: it is called this in dim_country.';
COMMENT ON COLUMN dim_country_name.first_seen_at IS
    'Time (UTC) of the first snapshot that has the name.';

CREATE OR REPLACE TABLE dim_country AS
WITH seen AS (
    SELECT
        country_key,
        min(first_seen_at) AS first_seen_at
    FROM dim_country_name
    GROUP BY country_key
)

SELECT
    seen.country_key,
    names.name AS country,
    codes.iso_alpha2,
    codes.iso_alpha3,
    codes.iso_numeric,
    codes.iso_name,
    coalesce(codes.status, 'unknown') AS status,
    seen.first_seen_at
FROM seen
INNER JOIN dim_country_name AS names ON seen.country_key = names.country_key AND names.is_main
LEFT JOIN country_codes AS codes ON names.name = codes.country
ORDER BY seen.country_key;

COMMENT ON TABLE dim_country IS
    'Countries with their ISO 3166 codes; what else they are called is in dim_country_name.';
COMMENT ON COLUMN dim_country.country_key IS 'Surrogate key.';
COMMENT ON COLUMN dim_country.country IS 'Name that most titles have for it.';
COMMENT ON COLUMN dim_country.iso_alpha2 IS 'ISO 3166 two-letter code.';
COMMENT ON COLUMN dim_country.iso_alpha3 IS 'ISO 3166 three-letter code.';
COMMENT ON COLUMN dim_country.iso_numeric IS 'ISO 3166 number, three digits, as text.';
COMMENT ON COLUMN dim_country.iso_name IS 'Name that ISO 3166 gives the country.';
COMMENT ON COLUMN dim_country.status IS
    'current (ISO 3166-1), historic (a country that is no more), or unknown (no code found).';
COMMENT ON COLUMN dim_country.first_seen_at IS 'Time (UTC) of the first snapshot that names it.';

CREATE OR REPLACE TABLE dim_genre AS
WITH lists AS (
    SELECT
        listed_in,
        min(valid_from) AS first_seen_at
    FROM analytics_netflix_history
    GROUP BY listed_in
),

named AS (
    SELECT
        unnest(string_split(listed_in, ', ')) AS genre,
        first_seen_at
    FROM lists
),

seen AS (
    SELECT
        genre,
        min(first_seen_at) AS first_seen_at
    FROM named
    GROUP BY genre
)

SELECT
    CAST(row_number() OVER (ORDER BY first_seen_at, genre) AS INTEGER) AS genre_key,
    genre,
    first_seen_at
FROM seen
ORDER BY genre_key;

COMMENT ON TABLE dim_genre IS 'Genres, as the publisher lists titles in them.';
COMMENT ON COLUMN dim_genre.genre_key IS 'Surrogate key.';
COMMENT ON COLUMN dim_genre.genre IS 'Name of the genre.';
COMMENT ON COLUMN dim_genre.first_seen_at IS 'Time (UTC) of the first snapshot that names it.';

-- The ratings that the contract names, from the youngest audience to the oldest. Others keep their
-- name and count as unrated, as their audience is unknown.
CREATE OR REPLACE TABLE dim_rating AS
WITH lines AS (
    SELECT unnest(string_split(getvariable('audiences'), chr(30))) AS line
),

listed AS (
    SELECT
        0 AS rating_key,
        'Unknown' AS rating,
        'unrated' AS audience
    UNION ALL
    SELECT
        CAST(split_part(line, chr(31), 1) AS INTEGER) AS rating_key,
        split_part(line, chr(31), 2) AS rating,
        split_part(line, chr(31), 3) AS audience
    FROM lines
    WHERE line <> ''
),

other AS (
    SELECT
        history.rating,
        min(history.valid_from) AS first_seen_at
    FROM analytics_netflix_history AS history
    LEFT JOIN listed ON history.rating = listed.rating
    WHERE history.rating IS NOT NULL AND listed.rating IS NULL
    GROUP BY history.rating
)

SELECT
    CAST(rating_key AS INTEGER) AS rating_key,
    rating,
    audience,
    CAST(CASE WHEN rating_key = 0 THEN 99 ELSE rating_key END AS INTEGER) AS rating_order,
    rating_key > 0 AS is_listed
FROM listed
UNION ALL
SELECT
    CAST(100 + row_number() OVER (ORDER BY first_seen_at, rating) AS INTEGER) AS rating_key,
    rating,
    'unrated' AS audience,
    CAST(90 AS INTEGER) AS rating_order,
    false AS is_listed
FROM other
ORDER BY rating_key;

COMMENT ON TABLE dim_rating IS 'Age ratings with the audience that each is for.';
COMMENT ON COLUMN dim_rating.rating_key IS 'Surrogate key; 0 is no rating.';
COMMENT ON COLUMN dim_rating.rating IS 'The rating, or Unknown if the title has none.';
COMMENT ON COLUMN dim_rating.audience IS 'kids, older kids, teens, adults or unrated.';
COMMENT ON COLUMN dim_rating.rating_order IS
    'Sort order, youngest audience first; 90 for other ratings, 99 for none.';
COMMENT ON COLUMN dim_rating.is_listed IS
    'Whether the contract names it (audiences of [columns.rating]).';

INSERT INTO dim_person
WITH named AS (
    SELECT
        unnest(string_split("cast", ', ')) AS person,
        valid_from
    FROM star_changes
    WHERE is_begun
    UNION ALL
    SELECT
        unnest(string_split(director, ', ')) AS person,
        valid_from
    FROM star_changes
    WHERE is_begun
),

seen AS (
    SELECT
        person,
        min(valid_from) AS first_seen_at
    FROM named
    GROUP BY person
),

numbered AS (
    SELECT max(person_key) AS last_key
    FROM dim_person
)

SELECT
    CAST(
        coalesce(numbered.last_key, 0)
        + row_number() OVER (ORDER BY seen.first_seen_at, seen.person)
        AS INTEGER
    ) AS person_key,
    seen.person,
    seen.first_seen_at
FROM seen
CROSS JOIN numbered
LEFT JOIN dim_person AS people ON seen.person = people.person
WHERE people.person IS NULL;

COMMENT ON TABLE dim_person IS
    'People by name; the catalogue has no ids, so two of the same name are one row.';
COMMENT ON COLUMN dim_person.person_key IS 'Surrogate key.';
COMMENT ON COLUMN dim_person.person IS 'Name in the catalogue.';
COMMENT ON COLUMN dim_person.first_seen_at IS 'Time (UTC) of the first snapshot that names them.';
