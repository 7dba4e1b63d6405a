-- Shows the staged rows with their lines in the newest snapshot.
-- Grain: staging_records one row per record of the snapshot.
-- Inputs -> outputs: staging_parts, staging_lines -> view staging_records.
-- Running it twice is safe: the view is replaced.
CREATE OR REPLACE VIEW staging_records AS
SELECT
    parts.business_key,
    parts."column",  -- each stored column
    parts.row_hash,
    parts.repairs,
    parts.record_hash,
    lines.source_line,
    parts.batch_id,
    parts.broken_rules,
    lines.is_staged,
    parts.record_id
FROM staging_parts AS parts
INNER JOIN staging_lines AS lines ON parts.record_id = lines.record_id;
