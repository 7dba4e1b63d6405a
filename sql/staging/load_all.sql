-- Stages every record of the snapshot.
-- Grain: staging_records one row per record of the snapshot.
-- Inputs -> outputs: temp view staged_records -> table staging_records, temp view suspect_records.
-- Running it twice is safe: the table is replaced.
CREATE OR REPLACE TABLE staging_records AS
FROM staged_records;

-- The records that could share a key with another.
CREATE OR REPLACE TEMP VIEW suspect_records AS
SELECT business_key
FROM staging_records
WHERE is_staged;
