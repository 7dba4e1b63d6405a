-- Stages only new and changed records; unchanged ones keep their staged rows (record_moves).
-- Grain: staging_records one row per record of the snapshot. Records that are gone stay, marked as
--   not staged: deleting them would rewrite every row group.
-- Inputs -> outputs: record_moves (of staging/match_unchanged.sql), staged_records, batch_id ->
--   lines_to_stage, records_to_stage, suspect_records (all temporary), table staging_records.
-- Running it twice is safe: the caller stages a batch once, and in one transaction.
UPDATE staging_records
SET is_staged = false
WHERE is_staged
    AND source_line IN (
        SELECT record_moves.old_line FROM record_moves WHERE record_moves.new_line IS NULL
    );

UPDATE staging_records
SET source_line = record_moves.new_line
FROM record_moves
WHERE staging_records.is_staged
    AND staging_records.source_line = record_moves.old_line
    AND record_moves.old_line <> record_moves.new_line;

-- Few lines: with them as a filter, the other columns are read only around them.
CREATE OR REPLACE TEMP TABLE lines_to_stage AS
SELECT source_line
FROM contract_netflix_titles
WHERE source_line NOT IN (
    SELECT record_moves.new_line FROM record_moves WHERE record_moves.new_line IS NOT NULL
);

CREATE OR REPLACE TEMP VIEW records_to_stage AS
SELECT
    "column",  -- each column
    record_hash,
    source_line
FROM contract_netflix_titles
WHERE source_line IN (SELECT lines_to_stage.source_line FROM lines_to_stage);

INSERT INTO staging_records
FROM staged_records;

-- Unchanged records share no key with each other: only a record staged now can share one.
CREATE OR REPLACE TEMP VIEW suspect_records AS
SELECT business_key
FROM staging_records
WHERE is_staged
    AND business_key IN (
        SELECT staged_now.business_key
        FROM staging_records AS staged_now
        WHERE staged_now.batch_id = getvariable('batch_id')
    );
