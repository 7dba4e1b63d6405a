-- The cleaning rules, as functions: everything here that only DuckDB spells this way is in this file.
-- Grain: none; scalar functions of one value.
-- Inputs -> outputs: session variables list_columns, not_null_columns, closed_columns,
--   allowed_values, tracked_columns, key_columns (lists, from sql/contract.toml) -> temp macros.
-- Running it twice is safe: it replaces the functions and touches no table.

-- All Unicode blanks and control characters count as blanks; runs become one; NFC; '' is NULL.
CREATE OR REPLACE TEMP MACRO clean_text(value) AS
    nullif(trim(regexp_replace(
        nfc_normalize(value), '[\s\p{Z}\p{Cc}\x{200B}\x{FEFF}]+', ' ', 'g'
    )), '');

-- A comma-separated list without empty entries.
CREATE OR REPLACE TEMP MACRO clean_entries(value) AS
    nullif(trim(regexp_replace(value, '( ?, ?)+', ', ', 'g'), ', '), '');

CREATE OR REPLACE TEMP MACRO clean_value(value, column_name) AS
    CASE
        WHEN list_contains(getvariable('list_columns'), column_name) THEN clean_entries(clean_text(value))
        ELSE clean_text(value)
    END;

-- "September 25, 2021" and the forms that other editions of the catalogue use.
CREATE OR REPLACE TEMP MACRO parse_date(value) AS
    CAST(try_strptime(value, ['%B %d, %Y', '%Y-%m-%d', '%b %d, %Y', '%d-%b-%y', '%d %B %Y']) AS DATE);

-- "2020", and "2020.0" as spreadsheets and data frames write it.
CREATE OR REPLACE TEMP MACRO parse_year(value) AS
    TRY_CAST(regexp_extract(value, '^([0-9]{1,4})(\.0+)?$', 1) AS SMALLINT);

CREATE OR REPLACE TEMP MACRO is_duration(value) AS
    regexp_matches(value, '^[0-9]+ ([Mm]in|[Ss]easons?)$');

CREATE OR REPLACE TEMP MACRO parse_minutes(value) AS
    TRY_CAST(regexp_extract(value, '^([0-9]+) [Mm]in$', 1) AS INTEGER);

CREATE OR REPLACE TEMP MACRO parse_seasons(value) AS
    TRY_CAST(regexp_extract(value, '^([0-9]+) [Ss]easons?$', 1) AS INTEGER);

-- The contract's rule that a cleaned value breaks, or NULL.
CREATE OR REPLACE TEMP MACRO broken_rule(value, column_name) AS
    CASE
        WHEN value IS NULL AND list_contains(getvariable('not_null_columns'), column_name)
            THEN 'missing_' || column_name
        WHEN value IS NOT NULL
            AND list_contains(getvariable('closed_columns'), column_name)
            AND NOT list_contains(getvariable('allowed_values'), column_name || '=' || value)
            THEN 'unknown_' || column_name
    END;

-- A part of the row hash: name, length and value, so that neither NULL and '' nor a separator in a
-- value can be mistaken; nothing for NULL, so that a column that is empty everywhere adds nothing.
CREATE OR REPLACE TEMP MACRO hash_part(value, column_name) AS
    CASE
        WHEN list_contains(getvariable('tracked_columns'), column_name)
            THEN column_name || '=' || length(value) || ':' || value || ';'
    END;

CREATE OR REPLACE TEMP MACRO key_part(value, column_name) AS
    CASE WHEN list_contains(getvariable('key_columns'), column_name) THEN value END;

-- Names a repair where the value after it differs from the value before.
CREATE OR REPLACE TEMP MACRO repair(before, after, rule) AS
    CASE WHEN before IS DISTINCT FROM after THEN rule END;

CREATE OR REPLACE TEMP MACRO lost_in_cast(before, after, column_name) AS
    CASE WHEN before IS NOT NULL AND after IS NULL THEN 'lost_in_cast:' || column_name END;
