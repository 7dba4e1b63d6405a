-- No value was lost because it does not parse as a date, year, duration or number.
-- broken: A value was lost because it does not parse as a date, year, duration or number.
-- severity: warn
-- way_out: `make inspect PROPOSE=1` shows the line of the contract that reads them.
SELECT
    business_key,
    column_name,
    raw_value,
    source_line
FROM staging_lost_in_cast;
