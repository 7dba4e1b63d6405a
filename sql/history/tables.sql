-- The history's tables, and the views over them.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2);
--   analytics_netflix_current one per live title; cdc_netflix_changes one per changed column, or
--   inserted, deleted or reappeared title; ops_merges, ops_origin one per batch.
-- Inputs -> outputs: none -> the tables, empty where they are new.
-- Running it twice is safe: tables are made only where missing, views are replaced.

CREATE TABLE IF NOT EXISTS analytics_netflix_history (
    version_id VARCHAR,
    title_id VARCHAR,
    business_key VARCHAR,
    show_id VARCHAR,
    "type" VARCHAR,
    title VARCHAR,
    director VARCHAR,
    "cast" VARCHAR,
    country VARCHAR,
    date_added DATE,
    release_year SMALLINT,
    rating VARCHAR,
    duration VARCHAR,
    duration_minutes INTEGER,
    seasons INTEGER,
    listed_in VARCHAR,
    description VARCHAR,
    row_hash VARCHAR,
    repairs VARCHAR,
    source_line BIGINT,
    batch_id VARCHAR,
    operation VARCHAR,
    valid_from TIMESTAMP,
    valid_to TIMESTAMP,
    is_current BOOLEAN,
    end_operation VARCHAR,
    end_batch_id VARCHAR
);

CREATE TABLE IF NOT EXISTS ops_merges (
    batch_id VARCHAR,
    snapshot_at TIMESTAMP,
    cdc_key VARCHAR,
    tracked_columns VARCHAR,
    previous_rows BIGINT,
    inserted BIGINT,
    reappeared BIGINT,
    updated BIGINT,
    deleted BIGINT,
    unchanged BIGINT,
    filled BIGINT,
    carried BIGINT,
    current_rows BIGINT,
    accepted BOOLEAN,
    contract VARCHAR
);

-- In a warehouse of a release before 1.0.0.
ALTER TABLE ops_merges ADD COLUMN IF NOT EXISTS contract VARCHAR;

CREATE TABLE IF NOT EXISTS ops_origin (
    batch_id VARCHAR,
    snapshot_at TIMESTAMP,
    source VARCHAR,
    is_sample BOOLEAN
);

CREATE TABLE IF NOT EXISTS ops_ambiguous_matches (
    batch_id VARCHAR,
    business_key VARCHAR,
    title VARCHAR,
    candidates VARCHAR
);

CREATE OR REPLACE VIEW analytics_netflix_current AS
SELECT
    title_id,
    show_id,
    "type",
    title,
    director,
    "cast",
    country,
    date_added,
    release_year,
    rating,
    duration,
    duration_minutes,
    seasons,
    listed_in,
    description,
    version_id,
    valid_from,
    batch_id,
    source_line,
    row_hash
FROM analytics_netflix_history
WHERE is_current;

CREATE OR REPLACE VIEW cdc_netflix_changes AS
WITH compared AS (
    SELECT
        columns.column_name,
        new.batch_id,
        new.title_id,
        new.valid_from AS changed_at,
        new.operation,
        CASE columns.column_name
            WHEN 'show_id' THEN old.show_id
            WHEN 'type' THEN old."type"
            WHEN 'title' THEN old.title
            WHEN 'director' THEN old.director
            WHEN 'cast' THEN old."cast"
            WHEN 'country' THEN old.country
            WHEN 'date_added' THEN CAST(old.date_added AS VARCHAR)
            WHEN 'release_year' THEN CAST(old.release_year AS VARCHAR)
            WHEN 'rating' THEN old.rating
            WHEN 'duration' THEN old.duration
            WHEN 'listed_in' THEN old.listed_in
            WHEN 'description' THEN old.description
        END AS old_value,
        CASE columns.column_name
            WHEN 'show_id' THEN new.show_id
            WHEN 'type' THEN new."type"
            WHEN 'title' THEN new.title
            WHEN 'director' THEN new.director
            WHEN 'cast' THEN new."cast"
            WHEN 'country' THEN new.country
            WHEN 'date_added' THEN CAST(new.date_added AS VARCHAR)
            WHEN 'release_year' THEN CAST(new.release_year AS VARCHAR)
            WHEN 'rating' THEN new.rating
            WHEN 'duration' THEN new.duration
            WHEN 'listed_in' THEN new.listed_in
            WHEN 'description' THEN new.description
        END AS new_value
    FROM analytics_netflix_history AS new
    INNER JOIN analytics_netflix_history AS old
        ON new.title_id = old.title_id
        AND new.valid_from = old.valid_to
        AND old.end_operation = 'update'  -- spares the join all that never changed
    INNER JOIN ops_merges AS merges ON new.batch_id = merges.batch_id
    CROSS JOIN (
        VALUES
            ('show_id'), ('type'), ('title'), ('director'), ('cast'), ('country'), ('date_added'),
            ('release_year'), ('rating'), ('duration'), ('listed_in'), ('description')
    ) AS columns (column_name)
    WHERE new.operation IN ('update', 'fill')
        AND ' ' || merges.tracked_columns || ' ' LIKE '% ' || columns.column_name || ' %'
)

SELECT
    batch_id,
    changed_at,
    title_id,
    operation,
    column_name,
    old_value,
    new_value
FROM compared
WHERE old_value IS DISTINCT FROM new_value
UNION ALL
SELECT
    batch_id,
    valid_from AS changed_at,
    title_id,
    operation,
    NULL AS column_name,
    NULL AS old_value,
    title AS new_value
FROM analytics_netflix_history
WHERE operation NOT IN ('update', 'fill')
UNION ALL
SELECT
    end_batch_id AS batch_id,
    valid_to AS changed_at,
    title_id,
    'delete' AS operation,
    NULL AS column_name,
    title AS old_value,
    NULL AS new_value
FROM analytics_netflix_history
WHERE end_operation = 'delete';
