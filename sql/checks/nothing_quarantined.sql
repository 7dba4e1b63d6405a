-- No record is in the quarantine.
-- severity: warn
-- Grain: one row per quarantined record and rule.
-- Inputs -> outputs: staging_netflix_quarantine -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    business_key,
    rule,
    column_name,
    raw_value,
    source_line
FROM staging_netflix_quarantine;
