-- Gives staged titles their title_id by the contract's key (CDC_KEY=show_id).
-- Grain: merge_input one row per staged title; ambiguous_candidates none.
-- Inputs -> outputs: staging_records (those that are staged), session variable batch_id -> temp
--   view merge_input, temp table ambiguous_candidates.
-- Running it twice is safe: both are replaced.
CREATE OR REPLACE TEMP TABLE ambiguous_candidates (
    title_id VARCHAR,
    business_key VARCHAR,
    title VARCHAR
);

CREATE OR REPLACE TEMP VIEW merge_input AS
SELECT
    staged.business_key AS title_id,
    staged.business_key,
    staged."column",  -- each stored column
    staged.row_hash,
    staged.repairs,
    staged.source_line,
    getvariable('batch_id') AS batch_id,
    staged.batch_id AS staged_by
FROM staging_records AS staged
WHERE staged.is_staged;
