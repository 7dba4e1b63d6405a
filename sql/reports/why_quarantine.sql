-- The records in quarantine that the session variable `wanted` names.
SELECT
    batch_id,
    business_key,
    rule,
    column_name,
    raw_value,
    source_line,
    first_seen_at
FROM staging_netflix_quarantine
WHERE getvariable('wanted') IN (business_key, title)
ORDER BY source_line, rule;
