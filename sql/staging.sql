-- Cleans and types records, as a view that staging/part.sql or load_all.sql reads.
-- Grain: staged_records one row per record of records_to_stage.
-- Inputs -> outputs: contract_netflix_titles (the raw columns under their canonical names, text),
--   macros of content_hash.sql, session variables batch_id, snapshot_at, tracked_columns,
--   all_columns, has_key and those of macros.sql -> temp views records_to_stage, staged_records.
-- Running it twice is safe: it replaces views.
CREATE OR REPLACE TEMP VIEW records_to_stage AS
SELECT
    "column",  -- each column
    record_hash,
    source_line
FROM contract_netflix_titles;

-- In one pass over raw: text is cleaned column by column, a duration in `rating` moves to
-- `duration`, and broken_rules names each rule of the contract that a record breaks (and impossible
-- years). record_hash is that of the record in the file. If the file has no key (CDC_KEY=title),
-- the content is the key: copies are one record.
CREATE OR REPLACE TEMP VIEW staged_records AS
WITH cleaned AS (
    SELECT
        clean_text("column") AS "column",  -- each column
        "column" AS "raw column",  -- each column
        record_hash,
        source_line
    FROM records_to_stage
),

trimmed AS (
    SELECT
        conform_list("column", 'column') AS "column text",  -- each list column
        conform_duration("column", 'column') AS "column text",  -- each duration column
        conform("column", 'column') AS "column text",  -- each column, not list or duration
        "raw column",  -- each column
        record_hash,
        source_line
    FROM cleaned
),

typed AS (
    SELECT
        "column text" AS "column",  -- each text or list or duration column
        parse_date("column text", 'column') AS "column",  -- each date column
        parse_year("column text") AS "column",  -- each year column
        parse_number("column text") AS "column",  -- each number column
        parse_integer("column text") AS "column",  -- each integer column
        parse_boolean("column text") AS "column",  -- each boolean column
        "column text",  -- each column
        "raw column",  -- each column
        record_hash,
        source_line
    FROM trimmed
),

keyed AS (
    SELECT
        CASE
            WHEN NOT getvariable('has_key') THEN content_hash(
                coalesce(CAST("column" AS VARCHAR), "column text"),  -- each column
                getvariable('all_columns')
            )
            ELSE concat_ws(
                chr(31),
                key_part("column text", 'column'),  -- each column
                NULL
            )
        END AS business_key,
        "column",  -- each column, not rating or duration
        CASE
            WHEN duration IS NULL AND is_duration(rating) THEN NULL
            ELSE rating
        END AS rating,
        CASE
            WHEN duration IS NULL AND is_duration(rating) THEN rating
            ELSE duration
        END AS duration,
        "column text",  -- each column
        nullif(concat_ws(
            ' ',
            repair("raw column", "column text", 'cleaned:column'),  -- each column
            CASE
                WHEN duration IS NULL AND is_duration(rating) THEN 'duration_moved:rating'
            END,
            lost_in_cast("column text", "column", 'column'),  -- each typed column
            lost_in_cast(
                duration, coalesce(parse_minutes(duration), parse_seasons(duration)), 'duration'
            )
        ), '') AS repairs,
        record_hash,
        source_line
    FROM typed
),

judged AS (
    SELECT
        business_key,
        "column",  -- each column
        parse_minutes(duration) AS duration_minutes,
        parse_seasons(duration) AS seasons,
        content_hash(
            "column",  -- each column
            getvariable('tracked_columns')
        ) AS row_hash,
        repairs,
        record_hash,
        source_line,
        getvariable('batch_id') AS batch_id,
        nullif(concat_ws(
            ' ',
            broken_rule("column text", 'column'),  -- each column, not year or rating or duration
            CASE
                WHEN release_year < getvariable('earliest_year')
                    OR release_year > year(getvariable('snapshot_at')) + getvariable('years_ahead')
                    THEN 'impossible_release_year:release_year'
                ELSE broken_rule("release_year text", 'release_year')
            END,
            broken_rule(rating, 'rating'),
            broken_rule(duration, 'duration'),
            out_of_range("column", 'column'),  -- each number or integer column
            NULL
        ), '') AS broken_rules
    FROM keyed
)

SELECT
    business_key,
    "column",  -- each stored column
    row_hash,
    repairs,
    record_hash,
    source_line,
    batch_id,
    broken_rules,
    broken_rules IS NULL AS is_staged
FROM judged;
