-- Creates an empty star schema, and lists every version of the history to build into it.
-- Grain: as facts.sql and dimensions.sql say; star_changes one row per title version.
-- Inputs -> outputs: analytics_netflix_history -> the tables that a night only adds to, empty, and
--   analytics_contents; temp view star_changes.
-- Running it twice is safe: the tables are filled again in the same transaction.
CREATE OR REPLACE TABLE dim_person (
    person_key INTEGER,
    person VARCHAR,
    first_seen_at TIMESTAMP
);

CREATE OR REPLACE TABLE fact_title_catalog (
    title_key VARCHAR,
    date_added_key INTEGER,
    valid_from_key INTEGER,
    valid_to_key INTEGER,
    rating_key INTEGER,
    "type" VARCHAR,
    release_year SMALLINT,
    duration_minutes INTEGER,
    seasons INTEGER,
    is_current BOOLEAN
);

COMMENT ON TABLE fact_title_catalog IS
    'The catalogue: one row per title version; with is_current, one row per title it has now.';
COMMENT ON COLUMN fact_title_catalog.title_key IS 'The version, in dim_title and in the bridges.';
COMMENT ON COLUMN fact_title_catalog.date_added_key IS
    'Day the title was added, in dim_date; 0 is no date.';
COMMENT ON COLUMN fact_title_catalog.valid_from_key IS
    'Day of the snapshot that began the version, in dim_date.';
COMMENT ON COLUMN fact_title_catalog.valid_to_key IS
    'Day of the snapshot that ended the version, in dim_date; 0 while it is open.';
COMMENT ON COLUMN fact_title_catalog.rating_key IS 'The age rating, in dim_rating; 0 is none.';
COMMENT ON COLUMN fact_title_catalog."type" IS 'Movie or TV Show (as in dim_title).';
COMMENT ON COLUMN fact_title_catalog.release_year IS 'Year of release (as in dim_title).';
COMMENT ON COLUMN fact_title_catalog.duration_minutes IS 'Length in minutes; NULL for a series.';
COMMENT ON COLUMN fact_title_catalog.seasons IS 'Number of seasons; NULL for a film.';
COMMENT ON COLUMN fact_title_catalog.is_current IS
    'Whether the version is in the catalogue now; sum up only these.';

CREATE OR REPLACE TABLE bridge_title_country (
    title_key VARCHAR,
    country_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

COMMENT ON TABLE bridge_title_country IS
    'Countries of a title: one row per title version and country.';
COMMENT ON COLUMN bridge_title_country.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_country.country_key IS 'The country, in dim_country.';
COMMENT ON COLUMN bridge_title_country."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_country.weight IS
    '1 / number of countries of the title, so that weighted sums are totals.';

CREATE OR REPLACE TABLE bridge_title_genre (
    title_key VARCHAR,
    genre_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

COMMENT ON TABLE bridge_title_genre IS
    'Genres of a title: one row per title version and genre.';
COMMENT ON COLUMN bridge_title_genre.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_genre.genre_key IS 'The genre, in dim_genre.';
COMMENT ON COLUMN bridge_title_genre."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_genre.weight IS
    '1 / number of genres of the title, so that weighted sums are totals.';

CREATE OR REPLACE TABLE bridge_title_cast (
    title_key VARCHAR,
    person_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

COMMENT ON TABLE bridge_title_cast IS
    'Cast of a title: one row per title version and person, in billing order.';
COMMENT ON COLUMN bridge_title_cast.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_cast.person_key IS 'The person, in dim_person.';
COMMENT ON COLUMN bridge_title_cast."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_cast.weight IS
    '1 / number of people in the cast of the title, so that weighted sums are totals.';

CREATE OR REPLACE TABLE bridge_title_director (
    title_key VARCHAR,
    person_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

COMMENT ON TABLE bridge_title_director IS
    'Directors of a title: one row per title version and person.';
COMMENT ON COLUMN bridge_title_director.title_key IS 'The title version, in fact_title_catalog.';
COMMENT ON COLUMN bridge_title_director.person_key IS 'The person, in dim_person.';
COMMENT ON COLUMN bridge_title_director."position" IS 'Place in the title''s list, from 1.';
COMMENT ON COLUMN bridge_title_director.weight IS
    '1 / number of directors of the title, so that weighted sums are totals.';

CREATE OR REPLACE TEMP VIEW star_changes AS
SELECT
    version_id AS title_key,
    "type",
    release_year,
    date_added,
    rating,
    duration_minutes,
    seasons,
    country,
    listed_in,
    "cast",
    director,
    valid_from,
    valid_to,
    is_current,
    true AS is_begun
FROM analytics_netflix_history;

CREATE OR REPLACE TABLE analytics_contents (
    table_name VARCHAR,
    is_growing BOOLEAN,
    row_count BIGINT,
    content HUGEINT
);
