-- No record is in the quarantine.
-- broken: A record is in the quarantine.
-- severity: warn
-- way_out: see the rule and the line; a good record of the title releases it by itself.
SELECT
    business_key,
    rule,
    column_name,
    raw_value,
    source_line
FROM staging_netflix_quarantine;
