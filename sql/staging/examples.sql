-- The first records that were set aside and values that were lost, for an error message.
-- Grain: one row per finding, at most five.
-- Inputs -> outputs: staging_netflix_quarantine, staging_lost_in_cast -> the result set.
-- Running it twice is safe: it only reads.
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
