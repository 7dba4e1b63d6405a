-- The first five quarantined records or lost values, for an error message.
SELECT
    source_line,
    rule,
    raw_value
FROM (
    SELECT
        source_line,
        rule,
        raw_value
    FROM staging_netflix_quarantine
    UNION ALL
    SELECT
        source_line,
        column_name || ' lost in cast' AS rule,
        raw_value
    FROM staging_lost_in_cast
) AS findings
ORDER BY source_line
LIMIT 5;
