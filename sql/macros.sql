-- Defines the cleaning rules as functions; SQL that only DuckDB understands is in this file.
-- Grain: none; scalar functions of one value.
-- Inputs -> outputs: the session variables of Contract.variables (contract.py) -> temp macros.
-- Running it twice is safe: it replaces the functions and touches no table.

-- All Unicode blanks and control characters count as blanks; several become one; NFC; '' is NULL.
-- Most values need none of that, and normalising costs four times as much as all else. So only
-- values with a blank at an end, two in a row, or a character outside the ranges below are changed.
-- The ranges have no blank but U+0020, and no character that NFC changes or joins to another.
CREATE OR REPLACE TEMP MACRO may_need_cleaning(value) AS
    regexp_matches(
        value,
        '^ | $|  |[^\x20-\x7E\x{A1}-\x{2FF}\x{400}-\x{482}\x{620}-\x{64A}\x{1E00}-\x{1EFF}'
        || '\x{2010}-\x{2027}\x{2030}-\x{205E}\x{3041}-\x{3096}\x{30A1}-\x{30FA}'
        || '\x{4E00}-\x{9FFF}\x{AC00}-\x{D7A3}]'
    );

CREATE OR REPLACE TEMP MACRO clean_text(value) AS
    nullif(
        CASE
            WHEN may_need_cleaning(value)
                THEN trim(regexp_replace(
                    nfc_normalize(value), '[\s\p{Z}\p{Cc}\x{200B}\x{FEFF}]+', ' ', 'g'
                ))
            ELSE value
        END,
        ''
    );

-- A cleaned value in the contract's words; if the publisher's differ, staging/adapt.sql has it.
-- By type, as each call is bound with all that it might do.
CREATE OR REPLACE TEMP MACRO conform(value, column_name) AS value;
CREATE OR REPLACE TEMP MACRO conform_duration(value, column_name) AS value;

-- A comma-separated list without empty entries, one blank after each comma.
CREATE OR REPLACE TEMP MACRO conform_list(value, column_name) AS
    CASE
        WHEN regexp_matches(value, '^,|,$| ,|,[^ ]')
            THEN nullif(trim(regexp_replace(value, '( ?, ?)+', ', ', 'g'), ', '), '')
        ELSE value
    END;

-- By the contract's `formats`, from 1900 on. "January 5, 21" is not in the year 21: a year of two
-- digits is read only by the formats with %y.
CREATE OR REPLACE TEMP MACRO parse_date(value, column_name) AS
    CAST(CASE
        WHEN try_strptime(value, getvariable('formats_' || column_name)) >= DATE '1900-01-01'
            THEN try_strptime(value, getvariable('formats_' || column_name))
        WHEN try_strptime(value, getvariable('short_formats_' || column_name)) >= DATE '1900-01-01'
            THEN try_strptime(value, getvariable('short_formats_' || column_name))
    END AS DATE);

-- "2020", and "2020.0" or "2020,0" as spreadsheets and data frames write it.
CREATE OR REPLACE TEMP MACRO parse_year(value) AS
    TRY_CAST(regexp_extract(value, '^([0-9]{1,4})([.,]0+)?$', 1) AS SMALLINT);

-- Keeps six decimals. "1,5" and "1,000" are not numbers, as they are ambiguous.
CREATE OR REPLACE TEMP MACRO parse_number(value) AS
    round(TRY_CAST(regexp_extract(
        value, '^([+-]?([0-9]{1,18}([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?)$', 1
    ) AS DOUBLE), 6) + 0;

-- "5", and "5.0" as data frames write it. "1.000" may mean a thousand, so it is not read.
CREATE OR REPLACE TEMP MACRO parse_integer(value) AS
    TRY_CAST(regexp_extract(value, '^([+-]?[0-9]{1,18})([.]0)?$', 1) AS BIGINT);

CREATE OR REPLACE TEMP MACRO parse_boolean(value) AS
    CASE
        WHEN lower(value) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN true
        WHEN lower(value) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN false
    END;

CREATE OR REPLACE TEMP MACRO is_duration(value) AS
    regexp_matches(lower(value), '^[0-9]+ ?(mins?|minutes?|seasons?)$');

CREATE OR REPLACE TEMP MACRO parse_minutes(value) AS
    TRY_CAST(regexp_extract(lower(value), '^([0-9]+) ?(mins?|minutes?)$', 1) AS INTEGER);

CREATE OR REPLACE TEMP MACRO parse_seasons(value) AS
    TRY_CAST(regexp_extract(lower(value), '^([0-9]+) ?seasons?$', 1) AS INTEGER);

-- The rule of the contract that a cleaned value breaks, as rule:column, or NULL.
CREATE OR REPLACE TEMP MACRO broken_rule(value, column_name) AS
    CASE
        WHEN value IS NULL AND list_contains(getvariable('not_null_columns'), column_name)
            THEN 'missing_' || column_name || ':' || column_name
        WHEN value IS NOT NULL
            AND list_contains(getvariable('closed_columns'), column_name)
            AND NOT list_contains(getvariable('allowed_values'), column_name || '=' || value)
            THEN 'unknown_' || column_name || ':' || column_name
    END;

-- Whether a number is outside the contract's `range`.
CREATE OR REPLACE TEMP MACRO out_of_range(value, column_name) AS
    CASE
        WHEN value < getvariable('least_' || column_name)
            OR value > getvariable('most_' || column_name)
            THEN 'impossible_' || column_name || ':' || column_name
    END;

CREATE OR REPLACE TEMP MACRO key_part(value, column_name) AS
    CASE WHEN list_contains(getvariable('key_columns'), column_name) THEN value END;

-- The name of a repair, if the value after it differs from the value before.
CREATE OR REPLACE TEMP MACRO repair(before, after, rule) AS
    CASE WHEN before IS DISTINCT FROM after THEN rule END;

CREATE OR REPLACE TEMP MACRO lost_in_cast(before, after, column_name) AS
    CASE WHEN before IS NOT NULL AND after IS NULL THEN 'lost_in_cast:' || column_name END;
