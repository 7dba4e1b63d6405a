-- Takes copies and conflicting records out of staging_netflix_titles, on engines without files.
-- Grain: staging_records one row per record of the snapshot.
-- Inputs -> outputs: shared_keys -> staging_records, temp table staged_count.
-- Running it twice is safe: it leaves records that are taken out.
UPDATE staging_records
SET is_staged = false
FROM shared_keys
WHERE staging_records.is_staged
    AND staging_records.source_line = shared_keys.source_line
    AND (shared_keys.is_conflict OR shared_keys.copy_number > 1);

CREATE OR REPLACE TEMP TABLE staged_count AS
SELECT count(*) AS staged_rows
FROM staging_records
WHERE is_staged;
