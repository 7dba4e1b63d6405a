-- Profiles a delivered file: content and oddities of each column, and duplicate keys.
-- Grain: one row each; inspect_columns has one struct for each column of the file (c0, c1, ...),
--   inspect_distinct one exact count, 0 if there are more than `exact_rows` records.
-- Inputs -> outputs: the views records (c0, c1, ..., source_line), record_keys (key, source_line),
--   the variables record_count, exact_rows, repaired_lines -> the tables inspect_*.
-- Running it twice is safe: it replaces its tables, in an in-memory database.

-- How many values have an oddity, and the line of the first one.
CREATE OR REPLACE TEMP MACRO oddity(hit, line) AS {
    'count': count_if(hit),
    'line': min(CASE WHEN hit THEN line END)
};

-- CASE keeps the costly second test away from values that fail the cheap first one.
CREATE OR REPLACE TEMP MACRO profile(value, line) AS {
    'filled': count(value),
    'distinct': approx_count_distinct(value),
    'shortest': min(length(value)),
    'longest': max(length(value)),
    'examples': arg_min(left(value, 200), line, 50),
    'multi_byte': sum(
        CASE
            WHEN strlen(value) > length(value)
                THEN length(regexp_replace(value, '[\x00-\x7F]+', '', 'g'))
            ELSE 0
        END
    ),
    'leading blanks': oddity(unicode(value) IN (9, 10, 13, 32, 160, 12288), line),
    'trailing blanks': oddity(
        ends_with(value, ' ')
        OR ends_with(value, chr(9))
        OR ends_with(value, chr(10))
        OR ends_with(value, chr(13))
        OR ends_with(value, chr(160))
        OR ends_with(value, chr(12288)),
        line
    ),
    'control characters': oddity(regexp_matches(value, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]'), line),
    'replacement characters (U+FFFD)': oddity(contains(value, chr(65533)), line),
    'text that looks like UTF-8 read as Latin-1': oddity(
        CASE
            WHEN contains(value, 'Ã') OR contains(value, 'â')
                THEN regexp_matches(value, 'Ã[\x{80}-\x{BF}ŒŠŽšžŸ‚„…†‡ˆ‰‹‘’“”•–—˜™›]|â[€\x{80}]')
        END,
        line
    ),
    'what looks like a duration': oddity(
        CASE
            WHEN length(value) < 20
                THEN regexp_matches(value, '^\s*[0-9]+ ([Mm]in|[Ss]easons?)\s*$')
        END,
        line
    ),
    'empty list entries': oddity(
        contains(value, ',,')
        OR contains(value, ', ,')
        OR starts_with(value, ',')
        OR ends_with(value, ',')
        OR ends_with(value, ', '),
        line
    )
};

CREATE OR REPLACE TEMP TABLE inspect_columns AS
SELECT
    count(*) AS records,
    profile(COLUMNS('^c\d+$'), source_line)
FROM records;

-- Exact counts if they are cheap; else the WHERE is constantly false and nothing is read.
CREATE OR REPLACE TEMP TABLE inspect_distinct AS
SELECT count(DISTINCT COLUMNS('^c\d+$'))
FROM records
WHERE getvariable('record_count') <= getvariable('exact_rows');

-- How many records have characters beyond ASCII; counted only if bytes had to be repaired.
CREATE OR REPLACE TEMP TABLE inspect_beyond_ascii AS
SELECT count_if(strlen(concat(*COLUMNS('^c\d+$'))) > length(concat(*COLUMNS('^c\d+$')))) AS records
FROM records
WHERE getvariable('repaired_lines') > 0;

-- The keys first, alone: grouping needs the memory that reading CSV uses for buffers.
CREATE OR REPLACE TEMP TABLE inspect_key_lines AS
SELECT
    key,
    source_line
FROM record_keys;

CREATE OR REPLACE TEMP TABLE inspect_keys AS
WITH suspects AS (
    SELECT
        key,
        count(*) AS times,
        min(source_line) AS line
    FROM inspect_key_lines
    GROUP BY key
    HAVING count(*) > 1 OR key IS NULL
)

SELECT
    coalesce(sum(CASE WHEN key IS NULL THEN times END), 0) AS missing,
    min(CASE WHEN key IS NULL THEN line END) AS missing_line,
    count(key) AS repeated,
    coalesce(sum(CASE WHEN key IS NOT NULL THEN times END), 0) AS repeated_records,
    arg_min(
        CASE WHEN key IS NOT NULL THEN {'key': left(key, 80), 'times': times, 'line': line} END,
        line,
        3
    ) AS examples
FROM suspects;
