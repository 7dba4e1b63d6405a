-- Quarantines records that are not valid titles; counts the run last, which marks it as complete.
-- Grain: staging_netflix_quarantine one row per record and rule; staging_lost_in_cast per value;
--   staging_repairs per rule; staging_counts one row.
-- Inputs -> outputs: staging_records, shared_keys, staged_count, contract_netflix_titles, variables
--   batch_id, snapshot_at, rules and those of macros.sql -> the four tables.
-- Running it twice is safe: every table is replaced, in one transaction.

-- Quarantined records with the file's value. first_seen and last_seen are snapshot times; a record
-- that is valid again, or gone, is no longer in the table.
CREATE OR REPLACE TEMP TABLE quarantine_now AS
WITH broken AS (
    SELECT
        source_line,
        business_key,
        unnest(string_split(broken_rules, ' ')) AS broken_rule
    FROM staging_records
    WHERE broken_rules IS NOT NULL AND batch_id = getvariable('batch_id')
    UNION ALL
    SELECT
        source_line,
        business_key,
        'conflicting_duplicate:business_key' AS broken_rule
    FROM shared_keys
    WHERE is_conflict
),

rules AS (
    SELECT
        source_line,
        business_key,
        split_part(broken_rule, ':', 1) AS rule,
        split_part(broken_rule, ':', 2) AS column_name
    FROM broken
),

-- Step by step: a macro in a macro multiplies what DuckDB has to bind.
cleaned AS (
    SELECT
        rules.business_key,
        rules.rule,
        rules.column_name,
        CASE rules.column_name
            WHEN 'column' THEN raw."column"  -- each column
            ELSE rules.business_key
        END AS raw_value,
        clean_text(raw.title) AS title,
        clean_text(raw."type") AS "type",
        clean_text(raw.release_year) AS release_year,
        clean_text(raw.description) AS description,
        rules.source_line
    FROM rules
    INNER JOIN contract_netflix_titles AS raw ON rules.source_line = raw.source_line
),

typed AS (
    SELECT
        business_key,
        rule,
        column_name,
        raw_value,
        title,
        conform("type", 'type') AS "type",
        parse_year(release_year) AS release_year,
        description,
        source_line
    FROM cleaned
)

SELECT
    business_key,
    rule,
    column_name,
    raw_value,
    title,
    CASE WHEN broken_rule("type", 'type') IS NULL THEN "type" END AS "type",
    CASE
        WHEN release_year BETWEEN getvariable('earliest_year')
            AND year(getvariable('snapshot_at')) + getvariable('years_ahead')
            THEN release_year
    END AS release_year,
    description,
    source_line
FROM typed;

CREATE OR REPLACE TEMP TABLE quarantine_before AS
SELECT
    business_key,
    rule,
    raw_value,
    min(first_seen_at) AS first_seen_at
FROM staging_netflix_quarantine
GROUP BY business_key, rule, raw_value;

CREATE OR REPLACE TABLE staging_netflix_quarantine AS
SELECT
    getvariable('batch_id') AS batch_id,
    found.business_key,
    found.rule,
    found.column_name,
    found.raw_value,
    found.title,
    found."type",
    found.release_year,
    found.description,
    found.source_line,
    CASE
        WHEN seen.first_seen_at < getvariable('snapshot_at') THEN seen.first_seen_at
        ELSE getvariable('snapshot_at')
    END AS first_seen_at,
    getvariable('snapshot_at') AS last_seen_at
FROM quarantine_now AS found
LEFT JOIN quarantine_before AS seen
    ON found.business_key = seen.business_key
    AND found.rule = seen.rule
    AND found.raw_value IS NOT DISTINCT FROM seen.raw_value;

-- How often each rule repaired a value, and the values that did not parse.
CREATE OR REPLACE TABLE staging_repairs AS
WITH applied AS (
    SELECT unnest(string_split(repairs, ' ')) AS repair
    FROM staging_records
    WHERE is_staged AND repairs IS NOT NULL
)

SELECT
    getvariable('batch_id') AS batch_id,
    split_part(repair, ':', 1) AS rule,
    split_part(repair, ':', 2) AS column_name,
    count(*) AS row_count
FROM applied
GROUP BY repair;

CREATE OR REPLACE TABLE staging_lost_in_cast AS
WITH lost AS (
    SELECT
        business_key,
        source_line,
        unnest(string_split(repairs, ' ')) AS repair
    FROM staging_records
    WHERE is_staged AND repairs LIKE '%lost_in_cast:%'
)

SELECT
    getvariable('batch_id') AS batch_id,
    lost.business_key,
    split_part(lost.repair, ':', 2) AS column_name,
    CASE split_part(lost.repair, ':', 2)
        WHEN 'column' THEN raw."column"  -- each column
    END AS raw_value,
    lost.source_line
FROM lost
INNER JOIN contract_netflix_titles AS raw ON lost.source_line = raw.source_line
WHERE split_part(lost.repair, ':', 1) = 'lost_in_cast';

-- Row counts of this run: raw = staged + quarantined + duplicates; lost_in_cast counts values.
CREATE OR REPLACE TABLE staging_counts AS
SELECT
    getvariable('batch_id') AS batch_id,
    getvariable('rules') AS rules,
    (SELECT count(*) FROM raw_netflix_titles) AS raw_rows,
    (SELECT staged_rows FROM staged_count) AS staged_rows,
    (SELECT count(DISTINCT source_line) FROM staging_netflix_quarantine) AS quarantined_records,
    (
        SELECT count(*) FROM shared_keys WHERE NOT is_conflict AND copy_number > 1
    ) AS exact_duplicates,
    (SELECT count(*) FROM staging_lost_in_cast) AS lost_in_cast;
