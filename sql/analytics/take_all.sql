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

CREATE OR REPLACE TABLE bridge_title_country (
    title_key VARCHAR,
    country_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

CREATE OR REPLACE TABLE bridge_title_genre (
    title_key VARCHAR,
    genre_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

CREATE OR REPLACE TABLE bridge_title_cast (
    title_key VARCHAR,
    person_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

CREATE OR REPLACE TABLE bridge_title_director (
    title_key VARCHAR,
    person_key INTEGER,
    "position" INTEGER,
    weight DOUBLE
);

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
