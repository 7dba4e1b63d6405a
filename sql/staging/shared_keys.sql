-- Finds valid records that share a key, and whether they are equal.
-- Grain: shared_keys one row per valid record whose key another has, too.
-- Inputs -> outputs: staging_records, suspect_records, contract_netflix_titles -> temp table
--   shared_keys.
-- Running it twice is safe: it replaces a temporary table.

CREATE OR REPLACE TEMP MACRO if_lost(value, repairs, column_name) AS
    CASE WHEN ' ' || repairs || ' ' LIKE '% lost_in_cast:' || column_name || ' %' THEN value END;

-- Valid records that share a key: equal ones collapse into the first, others are all quarantined.
CREATE OR REPLACE TEMP TABLE shared_keys AS
WITH shared AS (
    SELECT business_key
    FROM suspect_records
    GROUP BY business_key
    HAVING count(*) > 1
),

members AS (
    SELECT
        titles.business_key,
        titles.source_line,
        concat_ws(
            chr(31),
            coalesce(CAST(titles."column" AS VARCHAR), ''),  -- each column
            -- values lost in a cast are NULL above; copies that differ in them are not equal
            if_lost(raw."column", titles.repairs, 'column'),  -- each typed column
            NULL
        ) AS content
    FROM staging_records AS titles
    INNER JOIN shared ON titles.business_key = shared.business_key
    INNER JOIN contract_netflix_titles AS raw ON titles.source_line = raw.source_line
    WHERE titles.is_staged
)

SELECT
    business_key,
    source_line,
    min(content) OVER (PARTITION BY business_key)
        <> max(content) OVER (PARTITION BY business_key) AS is_conflict,
    row_number() OVER (PARTITION BY business_key ORDER BY source_line) AS copy_number
FROM members;
