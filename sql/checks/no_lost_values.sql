-- No value that was there was lost because it did not parse as a date, a year or a duration.
-- severity: warn
-- Grain: one row per lost value.
-- Inputs -> outputs: staging_lost_in_cast -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    business_key,
    column_name,
    raw_value,
    source_line
FROM staging_lost_in_cast;
