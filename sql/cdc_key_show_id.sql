-- What is merged when titles are known by the contract's key (CDC_KEY=show_id).
-- Grain: merge_input one row per staged title; ambiguous_candidates none.
-- Inputs -> outputs: staging_netflix_titles -> temp view merge_input, temp table
--   ambiguous_candidates.
-- Running it twice is safe: both are replaced.
CREATE OR REPLACE TEMP TABLE ambiguous_candidates (
    title_id VARCHAR,
    business_key VARCHAR,
    title VARCHAR
);

CREATE OR REPLACE TEMP VIEW merge_input AS
SELECT
    business_key AS title_id,
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
    source_line,
    batch_id
FROM staging_netflix_titles;
