-- No record is in the quarantine.
-- broken: A record is in the quarantine.
-- severity: warn
SELECT
    business_key,
    rule,
    column_name,
    raw_value,
    source_line
FROM staging_netflix_quarantine;
