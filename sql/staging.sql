-- Builds the typed, cleaned catalogue of one snapshot, and the quarantine beside it.
-- Grain: staging_netflix_titles one row per business key; staging_netflix_quarantine one row per
--   record and broken rule; staging_lost_in_cast one row per value; staging_repairs one per rule;
--   staging_books one row.
-- Inputs -> outputs: contract_netflix_titles (the raw columns under their canonical names, text),
--   session variables batch_id, snapshot_at and those of macros.sql -> the five tables.
-- Running it twice is safe: every table is built anew from the snapshot, in one transaction.

-- The catalogue, in one pass over raw: text cleaned column by column, a duration that stands in
-- `rating` moved to where it belongs, each rule of the contract that a record breaks named in
-- broken_rules (and years that no film can have). What breaks one leaves the table below.
CREATE OR REPLACE TABLE staging_netflix_titles AS
WITH cleaned AS (
    SELECT
        clean_text(show_id) AS show_id,
        clean_text("type") AS "type",
        clean_text(title) AS title,
        clean_text(director) AS director,
        clean_text("cast") AS "cast",
        clean_text(country) AS country,
        clean_text(date_added) AS date_added,
        clean_text(release_year) AS release_year,
        clean_text(rating) AS rating,
        clean_text(duration) AS duration,
        clean_text(listed_in) AS listed_in,
        clean_text(description) AS description,
        show_id AS raw_show_id,
        "type" AS raw_type,
        title AS raw_title,
        director AS raw_director,
        "cast" AS raw_cast,
        country AS raw_country,
        date_added AS raw_date_added,
        release_year AS raw_release_year,
        rating AS raw_rating,
        duration AS raw_duration,
        listed_in AS raw_listed_in,
        description AS raw_description,
        source_line
    FROM contract_netflix_titles
),

trimmed AS (
    SELECT
        clean_list(show_id, 'show_id') AS show_id,
        clean_list("type", 'type') AS "type",
        clean_list(title, 'title') AS title,
        clean_list(director, 'director') AS director,
        clean_list("cast", 'cast') AS "cast",
        clean_list(country, 'country') AS country,
        clean_list(date_added, 'date_added') AS date_text,
        clean_list(release_year, 'release_year') AS year_text,
        clean_list(rating, 'rating') AS rating_text,
        clean_list(duration, 'duration') AS duration_text,
        clean_list(listed_in, 'listed_in') AS listed_in,
        clean_list(description, 'description') AS description,
        raw_show_id,
        raw_type,
        raw_title,
        raw_director,
        raw_cast,
        raw_country,
        raw_date_added,
        raw_release_year,
        raw_rating,
        raw_duration,
        raw_listed_in,
        raw_description,
        source_line
    FROM cleaned
),

typed AS (
    SELECT
        concat_ws(
            chr(31),
            key_part(show_id, 'show_id'), key_part("type", 'type'), key_part(title, 'title'),
            key_part(director, 'director'), key_part("cast", 'cast'), key_part(country, 'country'),
            key_part(date_text, 'date_added'), key_part(year_text, 'release_year'),
            key_part(rating_text, 'rating'), key_part(duration_text, 'duration'),
            key_part(listed_in, 'listed_in'), key_part(description, 'description')
        ) AS business_key,
        show_id,
        "type",
        title,
        director,
        "cast",
        country,
        parse_date(date_text) AS date_added,
        parse_year(year_text) AS release_year,
        CASE
            WHEN duration_text IS NULL AND is_duration(rating_text) THEN NULL
            ELSE rating_text
        END AS rating,
        CASE
            WHEN duration_text IS NULL AND is_duration(rating_text) THEN rating_text
            ELSE duration_text
        END AS duration,
        listed_in,
        description,
        date_text,
        year_text,
        rating_text,
        duration_text,
        nullif(concat_ws(
            ' ',
            repair(raw_show_id, show_id, 'cleaned:show_id'),
            repair(raw_type, "type", 'cleaned:type'),
            repair(raw_title, title, 'cleaned:title'),
            repair(raw_director, director, 'cleaned:director'),
            repair(raw_cast, "cast", 'cleaned:cast'),
            repair(raw_country, country, 'cleaned:country'),
            repair(raw_date_added, date_text, 'cleaned:date_added'),
            repair(raw_release_year, year_text, 'cleaned:release_year'),
            repair(raw_rating, rating_text, 'cleaned:rating'),
            repair(raw_duration, duration_text, 'cleaned:duration'),
            repair(raw_listed_in, listed_in, 'cleaned:listed_in'),
            repair(raw_description, description, 'cleaned:description'),
            CASE
                WHEN duration_text IS NULL AND is_duration(rating_text) THEN 'duration_moved:rating'
            END,
            lost_in_cast(date_text, parse_date(date_text), 'date_added'),
            lost_in_cast(year_text, parse_year(year_text), 'release_year'),
            lost_in_cast(
                duration_text,
                coalesce(parse_minutes(duration_text), parse_seasons(duration_text)),
                'duration'
            )
        ), '') AS repairs,
        source_line
    FROM trimmed
)

SELECT
    business_key,
    show_id,
    "type",
    title,
    director,
    "cast",
    country,
    date_added,
    release_year,
    rating,
    duration,
    parse_minutes(duration) AS duration_minutes,
    parse_seasons(duration) AS seasons,
    listed_in,
    description,
    'v1:' || md5(concat_ws(
        '',
        hash_part(show_id, 'show_id'), hash_part("type", 'type'), hash_part(title, 'title'),
        hash_part(director, 'director'), hash_part("cast", 'cast'), hash_part(country, 'country'),
        hash_part(CAST(date_added AS VARCHAR), 'date_added'),
        hash_part(CAST(release_year AS VARCHAR), 'release_year'),
        hash_part(rating, 'rating'), hash_part(duration, 'duration'),
        hash_part(listed_in, 'listed_in'), hash_part(description, 'description')
    )) AS row_hash,
    repairs,
    source_line,
    getvariable('batch_id') AS batch_id,
    nullif(concat_ws(
        ' ',
        broken_rule(show_id, 'show_id'),
        broken_rule("type", 'type'),
        broken_rule(title, 'title'),
        broken_rule(director, 'director'),
        broken_rule("cast", 'cast'),
        broken_rule(country, 'country'),
        broken_rule(date_text, 'date_added'),
        CASE
            WHEN release_year < 1870 OR release_year > year(getvariable('snapshot_at')) + 5
                THEN 'impossible_release_year:release_year'
            ELSE broken_rule(year_text, 'release_year')
        END,
        broken_rule(rating, 'rating'),
        broken_rule(duration, 'duration'),
        broken_rule(listed_in, 'listed_in'),
        broken_rule(description, 'description')
    ), '') AS broken_rules
FROM typed;

-- Sound records that share a key: equal ones collapse into the first, others are all set aside.
CREATE OR REPLACE TEMP TABLE shared_keys AS
WITH shared AS (
    SELECT business_key
    FROM staging_netflix_titles
    WHERE broken_rules IS NULL
    GROUP BY business_key
    HAVING count(*) > 1
),

members AS (
    SELECT
        titles.business_key,
        titles.source_line,
        concat_ws(
            chr(31),
            coalesce(titles.show_id, ''), coalesce(titles."type", ''), coalesce(titles.title, ''),
            coalesce(titles.director, ''), coalesce(titles."cast", ''),
            coalesce(titles.country, ''), coalesce(CAST(titles.date_added AS VARCHAR), ''),
            coalesce(CAST(titles.release_year AS VARCHAR), ''), coalesce(titles.rating, ''),
            coalesce(titles.duration, ''), coalesce(titles.listed_in, ''),
            coalesce(titles.description, ''),
            -- values lost in a cast are NULL above; copies that differ in them are not equal
            CASE WHEN titles.repairs LIKE '%lost_in_cast:date_added%' THEN raw.date_added END,
            CASE WHEN titles.repairs LIKE '%lost_in_cast:release_year%' THEN raw.release_year END
        ) AS content
    FROM staging_netflix_titles AS titles
    INNER JOIN shared ON titles.business_key = shared.business_key
    INNER JOIN contract_netflix_titles AS raw ON titles.source_line = raw.source_line
    WHERE titles.broken_rules IS NULL
)

SELECT
    business_key,
    source_line,
    min(content) OVER (PARTITION BY business_key)
        <> max(content) OVER (PARTITION BY business_key) AS is_conflict,
    row_number() OVER (PARTITION BY business_key ORDER BY source_line) AS copy_number
FROM members;

-- What was set aside, with the value as the file has it. first_seen and last_seen are snapshot
-- times; a record that is sound again, or gone, leaves the table by itself.
CREATE OR REPLACE TEMP TABLE quarantine_now AS
WITH broken AS (
    SELECT
        source_line,
        business_key,
        unnest(string_split(broken_rules, ' ')) AS broken_rule
    FROM staging_netflix_titles
    WHERE broken_rules IS NOT NULL
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
)

SELECT
    rules.business_key,
    rules.rule,
    rules.column_name,
    CASE rules.column_name
        WHEN 'show_id' THEN raw.show_id
        WHEN 'type' THEN raw."type"
        WHEN 'title' THEN raw.title
        WHEN 'director' THEN raw.director
        WHEN 'cast' THEN raw."cast"
        WHEN 'country' THEN raw.country
        WHEN 'date_added' THEN raw.date_added
        WHEN 'release_year' THEN raw.release_year
        WHEN 'rating' THEN raw.rating
        WHEN 'duration' THEN raw.duration
        WHEN 'listed_in' THEN raw.listed_in
        WHEN 'description' THEN raw.description
        ELSE rules.business_key
    END AS raw_value,
    clean_text(raw.title) AS title,
    rules.source_line
FROM rules
INNER JOIN contract_netflix_titles AS raw ON rules.source_line = raw.source_line;

DELETE FROM staging_netflix_titles
WHERE broken_rules IS NOT NULL
    OR source_line IN (
        SELECT shared_keys.source_line
        FROM shared_keys
        WHERE shared_keys.is_conflict OR shared_keys.copy_number > 1
    );

ALTER TABLE staging_netflix_titles DROP COLUMN broken_rules;

CREATE TABLE IF NOT EXISTS staging_netflix_quarantine (
    batch_id VARCHAR,
    business_key VARCHAR,
    rule VARCHAR,
    column_name VARCHAR,
    raw_value VARCHAR,
    title VARCHAR,
    source_line BIGINT,
    first_seen_at TIMESTAMP,
    last_seen_at TIMESTAMP
);

CREATE OR REPLACE TEMP TABLE quarantine_before AS
SELECT
    business_key,
    rule,
    raw_value,
    min(first_seen_at) AS first_seen_at
FROM staging_netflix_quarantine
GROUP BY business_key, rule, raw_value;

DELETE FROM staging_netflix_quarantine;

INSERT INTO staging_netflix_quarantine
SELECT
    getvariable('batch_id') AS batch_id,
    found.business_key,
    found.rule,
    found.column_name,
    found.raw_value,
    found.title,
    found.source_line,
    least(seen.first_seen_at, getvariable('snapshot_at')) AS first_seen_at,
    getvariable('snapshot_at') AS last_seen_at
FROM quarantine_now AS found
LEFT JOIN quarantine_before AS seen
    ON found.business_key = seen.business_key
    AND found.rule = seen.rule
    AND found.raw_value IS NOT DISTINCT FROM seen.raw_value;

-- How often each rule repaired a value, and the values that no longer parsed.
CREATE OR REPLACE TABLE staging_repairs AS
WITH applied AS (
    SELECT unnest(string_split(repairs, ' ')) AS repair
    FROM staging_netflix_titles
    WHERE repairs IS NOT NULL
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
    FROM staging_netflix_titles
    WHERE repairs LIKE '%lost_in_cast:%'
)

SELECT
    getvariable('batch_id') AS batch_id,
    lost.business_key,
    split_part(lost.repair, ':', 2) AS column_name,
    CASE split_part(lost.repair, ':', 2)
        WHEN 'date_added' THEN raw.date_added
        WHEN 'release_year' THEN raw.release_year
        ELSE raw.duration
    END AS raw_value,
    lost.source_line
FROM lost
INNER JOIN contract_netflix_titles AS raw ON lost.source_line = raw.source_line
WHERE split_part(lost.repair, ':', 1) = 'lost_in_cast';

-- The books of this staging: raw = staged + quarantined + duplicates; lost_in_cast counts values.
CREATE OR REPLACE TABLE staging_books AS
SELECT
    getvariable('batch_id') AS batch_id,
    getvariable('rules') AS rules,
    (SELECT count(*) FROM raw_netflix_titles) AS raw_rows,
    (SELECT count(*) FROM staging_netflix_titles) AS staged_rows,
    (SELECT count(DISTINCT source_line) FROM staging_netflix_quarantine) AS quarantined_records,
    (
        SELECT count(*) FROM shared_keys WHERE NOT is_conflict AND copy_number > 1
    ) AS exact_duplicates,
    (SELECT count(*) FROM staging_lost_in_cast) AS lost_in_cast;
