-- Takes copies and conflicting records out of staging_netflix_titles.
-- Grain: staging_lines one row per record of the snapshot.
-- Inputs -> outputs: shared_keys -> staging_lines, temp table staged_count.
-- Running it twice is safe: it leaves records that are taken out.
UPDATE staging_lines
SET is_staged = false
FROM shared_keys
WHERE staging_lines.is_staged
    AND staging_lines.source_line = shared_keys.source_line
    AND (shared_keys.is_conflict OR shared_keys.copy_number > 1);

CREATE OR REPLACE TEMP TABLE staged_count AS
SELECT count(*) AS staged_rows
FROM staging_lines
WHERE is_staged;
