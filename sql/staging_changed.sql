-- Stages only the records that do not stand in staging already, to the letter (kept_records).
-- Grain: staging_records one row per record of the snapshot, and those that were staged and are
--   gone: they stay behind, not staged, as taking them out would write every row group anew.
-- Inputs -> outputs: kept_records (of staging_kept.sql), temp view staged_records; session variable
--   batch_id -> temp view records_to_stage, table staging_records.
-- Running it twice is safe: the caller stages a batch once, and in one transaction.
UPDATE staging_records
SET is_staged = false
WHERE is_staged AND source_line NOT IN (SELECT kept_records.old_line FROM kept_records);

UPDATE staging_records
SET source_line = kept_records.new_line
FROM kept_records
WHERE staging_records.is_staged
    AND staging_records.source_line = kept_records.old_line
    AND kept_records.old_line <> kept_records.new_line;

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
FROM contract_netflix_titles
WHERE source_line NOT IN (SELECT kept_records.new_line FROM kept_records);

INSERT INTO staging_records
FROM staged_records;
