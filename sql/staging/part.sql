-- The rows of one file of staging: the records that are staged now, each under a number of its own.
SELECT
    getvariable('first_record_id') + source_line AS record_id,
    business_key,
    "column",  -- each stored column
    row_hash,
    repairs,
    record_hash,
    batch_id,
    broken_rules
FROM staged_records
