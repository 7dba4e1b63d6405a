-- Says where each staged row is in the snapshot: rows of records that are gone have no line.
-- Grain: staging_lines one row per record of the snapshot.
-- Inputs -> outputs: record_moves (of staging/match_unchanged.sql; empty if all are staged now),
--   staging_parts, session variable first_record_id -> table staging_lines, temp table
--   suspect_records.
-- Running it twice is safe: all are replaced.
CREATE OR REPLACE TABLE staging_lines AS
SELECT
    record_id,
    new_line AS source_line,
    true AS is_staged
FROM record_moves
UNION ALL
SELECT
    record_id,
    record_id - getvariable('first_record_id') AS source_line,
    broken_rules IS NULL AS is_staged
FROM staging_parts
WHERE record_id > getvariable('first_record_id');

-- Unchanged records share no key with each other: only a record staged now can share one.
CREATE OR REPLACE TEMP TABLE suspect_records AS
WITH same_keys AS MATERIALIZED (  -- few: only their lines are looked up
    SELECT
        business_key,
        record_id
    FROM staging_parts
    WHERE business_key IN (
        SELECT staged_now.business_key
        FROM staging_parts AS staged_now
        WHERE staged_now.record_id > getvariable('first_record_id')
    )
)

SELECT same_keys.business_key
FROM same_keys
INNER JOIN staging_lines AS lines ON same_keys.record_id = lines.record_id
WHERE lines.is_staged;
