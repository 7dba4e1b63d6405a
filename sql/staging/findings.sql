-- The quarantined records and (without a rule) the lost values, with the most frequent values.
WITH odd AS (
    SELECT
        column_name,
        rule,
        raw_value,
        source_line
    FROM staging_netflix_quarantine
    UNION ALL
    SELECT
        column_name,
        CAST(NULL AS VARCHAR) AS rule,
        raw_value,
        source_line
    FROM staging_lost_in_cast
),

counted AS (
    SELECT
        column_name,
        rule,
        raw_value,
        count(*) AS records,
        min(source_line) AS first_line
    FROM odd
    GROUP BY column_name, rule, raw_value
),

ranked AS (
    SELECT
        column_name,
        rule,
        raw_value,
        records,
        first_line,
        row_number() OVER (
            PARTITION BY column_name, rule ORDER BY records DESC, first_line
        ) AS place
    FROM counted
)

SELECT
    column_name,
    rule,
    sum(records) AS records,
    min(first_line) AS first_line,
    list(raw_value ORDER BY place) FILTER (WHERE place <= 50) AS value_list
FROM ranked
GROUP BY column_name, rule
ORDER BY first_line, column_name, rule;
