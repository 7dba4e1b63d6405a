-- No value was lost because it does not parse as a date, year, duration or number.
-- broken: A value was lost because it does not parse as a date, year, duration or number.
-- severity: warn
SELECT
    business_key,
    column_name,
    raw_value,
    source_line
FROM staging_lost_in_cast;
