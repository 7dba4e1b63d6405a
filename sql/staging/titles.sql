-- Shows the staged records as staging_netflix_titles, all of the newest batch.
-- Grain: staging_netflix_titles one row per business key; staging_batch one row.
-- Inputs -> outputs: staging_records, session variable batch_id -> table staging_batch, view
--   staging_netflix_titles.
-- Running it twice is safe: both are replaced.

-- An unchanged record keeps the batch that staged it first; the view shows this one for all.
CREATE OR REPLACE TABLE staging_batch AS
SELECT getvariable('batch_id') AS batch_id;

CREATE OR REPLACE VIEW staging_netflix_titles AS
SELECT
    records.business_key,
    records."column",  -- each stored column
    records.row_hash,
    records.repairs,
    records.source_line,
    staging_batch.batch_id
FROM staging_records AS records
CROSS JOIN staging_batch
WHERE records.is_staged;
