-- The typed, cleaned form of records, as a view; staging/load_all.sql or load_changed.sql reads it.
-- Grain: staged_records one row per record of records_to_stage.
-- Inputs -> outputs: contract_netflix_titles (the raw columns under their canonical names, text),
--   macros of content_hash.sql, session variables batch_id, snapshot_at, tracked_columns,
--   all_columns, has_key and those of macros.sql -> temp views records_to_stage, staged_records.
-- Running it twice is safe: it replaces views.
CREATE OR REPLACE TEMP VIEW records_to_stage AS
SELECT
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
    listed_in,
    description,
    record_hash,
    source_line
FROM contract_netflix_titles;

-- The catalogue, in one pass over raw: text cleaned column by column, a duration that stands in
-- `rating` moved to where it belongs, each rule of the contract that a record breaks named in
-- broken_rules (and years that no film can have). record_hash is that of the record as the file
-- has it. Where a file has no key (CDC_KEY=title), the content is one: copies are one record.
CREATE OR REPLACE TEMP VIEW staged_records AS
WITH cleaned AS (
    SELECT
        clean_text(show_id) AS show_id,
        clean_text("type") AS "type",
        clean_text(title) AS title,
        clean_text(director) AS director,
        clean_text("cast") AS "cast",
        clean_text(country) AS country,
        clean_text(date_added) AS date_added,
        clean_text(release_year) AS release_year,
        clean_text(rating) AS rating,
        clean_text(duration) AS duration,
        clean_text(listed_in) AS listed_in,
        clean_text(description) AS description,
        show_id AS raw_show_id,
        "type" AS raw_type,
        title AS raw_title,
        director AS raw_director,
        "cast" AS raw_cast,
        country AS raw_country,
        date_added AS raw_date_added,
        release_year AS raw_release_year,
        rating AS raw_rating,
        duration AS raw_duration,
        listed_in AS raw_listed_in,
        description AS raw_description,
        record_hash,
        source_line
    FROM records_to_stage
),

trimmed AS (
    SELECT
        conform(show_id, 'show_id') AS show_id,
        conform("type", 'type') AS "type",
        conform(title, 'title') AS title,
        conform(director, 'director') AS director,
        conform("cast", 'cast') AS "cast",
        conform(country, 'country') AS country,
        conform(date_added, 'date_added') AS date_text,
        conform(release_year, 'release_year') AS year_text,
        conform(rating, 'rating') AS rating_text,
        conform(duration, 'duration') AS duration_text,
        conform(listed_in, 'listed_in') AS listed_in,
        conform(description, 'description') AS description,
        raw_show_id,
        raw_type,
        raw_title,
        raw_director,
        raw_cast,
        raw_country,
        raw_date_added,
        raw_release_year,
        raw_rating,
        raw_duration,
        raw_listed_in,
        raw_description,
        record_hash,
        source_line
    FROM cleaned
),

typed AS (
    SELECT
        CASE
            WHEN NOT getvariable('has_key') THEN content_hash(
                getvariable('all_columns'), show_id, "type", title, director, "cast", country,
                coalesce(CAST(parse_date(date_text, 'date_added') AS VARCHAR), date_text),
                coalesce(CAST(parse_year(year_text) AS VARCHAR), year_text),
                rating_text, duration_text, listed_in, description
            )
            ELSE concat_ws(
                chr(31),
                key_part(show_id, 'show_id'), key_part("type", 'type'), key_part(title, 'title'),
                key_part(director, 'director'), key_part("cast", 'cast'),
                key_part(country, 'country'), key_part(date_text, 'date_added'),
                key_part(year_text, 'release_year'), key_part(rating_text, 'rating'),
                key_part(duration_text, 'duration'), key_part(listed_in, 'listed_in'),
                key_part(description, 'description')
            )
        END AS business_key,
        show_id,
        "type",
        title,
        director,
        "cast",
        country,
        parse_date(date_text, 'date_added') AS date_added,
        parse_year(year_text) AS release_year,
        CASE
            WHEN duration_text IS NULL AND is_duration(rating_text) THEN NULL
            ELSE rating_text
        END AS rating,
        CASE
            WHEN duration_text IS NULL AND is_duration(rating_text) THEN rating_text
            ELSE duration_text
        END AS duration,
        listed_in,
        description,
        date_text,
        year_text,
        rating_text,
        duration_text,
        nullif(concat_ws(
            ' ',
            repair(raw_show_id, show_id, 'cleaned:show_id'),
            repair(raw_type, "type", 'cleaned:type'),
            repair(raw_title, title, 'cleaned:title'),
            repair(raw_director, director, 'cleaned:director'),
            repair(raw_cast, "cast", 'cleaned:cast'),
            repair(raw_country, country, 'cleaned:country'),
            repair(raw_date_added, date_text, 'cleaned:date_added'),
            repair(raw_release_year, year_text, 'cleaned:release_year'),
            repair(raw_rating, rating_text, 'cleaned:rating'),
            repair(raw_duration, duration_text, 'cleaned:duration'),
            repair(raw_listed_in, listed_in, 'cleaned:listed_in'),
            repair(raw_description, description, 'cleaned:description'),
            CASE
                WHEN duration_text IS NULL AND is_duration(rating_text) THEN 'duration_moved:rating'
            END,
            lost_in_cast(date_text, parse_date(date_text, 'date_added'), 'date_added'),
            lost_in_cast(year_text, parse_year(year_text), 'release_year'),
            lost_in_cast(
                duration_text,
                coalesce(parse_minutes(duration_text), parse_seasons(duration_text)),
                'duration'
            )
        ), '') AS repairs,
        record_hash,
        source_line
    FROM trimmed
),

judged AS (
    SELECT
        business_key,
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
        parse_minutes(duration) AS duration_minutes,
        parse_seasons(duration) AS seasons,
        listed_in,
        description,
        content_hash(
            getvariable('tracked_columns'), show_id, "type", title, director, "cast", country,
            date_added, release_year, rating, duration, listed_in, description
        ) AS row_hash,
        repairs,
        record_hash,
        source_line,
        getvariable('batch_id') AS batch_id,
        nullif(concat_ws(
            ' ',
            broken_rule(show_id, 'show_id'),
            broken_rule("type", 'type'),
            broken_rule(title, 'title'),
            broken_rule(director, 'director'),
            broken_rule("cast", 'cast'),
            broken_rule(country, 'country'),
            broken_rule(date_text, 'date_added'),
            CASE
                WHEN release_year < getvariable('earliest_year')
                    OR release_year > year(getvariable('snapshot_at')) + getvariable('years_ahead')
                    THEN 'impossible_release_year:release_year'
                ELSE broken_rule(year_text, 'release_year')
            END,
            broken_rule(rating, 'rating'),
            broken_rule(duration, 'duration'),
            broken_rule(listed_in, 'listed_in'),
            broken_rule(description, 'description')
        ), '') AS broken_rules
    FROM typed
)

SELECT
    business_key,
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
    row_hash,
    repairs,
    record_hash,
    source_line,
    batch_id,
    broken_rules,
    broken_rules IS NULL AS is_staged
FROM judged;
