-- Hashes a record's values in some columns: equal hashes mean equal values.
-- Grain: none; scalar functions of one record.
-- Inputs -> outputs: none -> temp macros.
-- Running it twice is safe: it replaces the functions.

-- Name, length and value: no separator in a value can be mistaken, and NULL differs from ''. NULL
-- adds nothing, so a column that is empty everywhere does not change the hash.
CREATE OR REPLACE TEMP MACRO hash_part(value, column_name, hashed_columns) AS
    CASE
        WHEN list_contains(hashed_columns, column_name) AND value IS NOT NULL
            THEN concat(column_name, '=', CAST(length(value) AS VARCHAR), ':', value, ';')
    END;

-- A number as all engines write it: 7.5, and 7 for 7.0. Any other text stays as it is.
CREATE OR REPLACE TEMP MACRO write_number(value) AS
    coalesce(
        CASE
            WHEN CAST(TRY_CAST(CAST(value AS VARCHAR) AS DECIMAL(30, 6)) AS VARCHAR) LIKE '%.%'
                THEN rtrim(rtrim(
                    CAST(TRY_CAST(CAST(value AS VARCHAR) AS DECIMAL(30, 6)) AS VARCHAR), '0'
                ), '.')
        END,
        CAST(value AS VARCHAR)
    );

CREATE OR REPLACE TEMP MACRO content_hash(
    "column value",  -- each column
    hashed
) AS
    concat('v1:', md5(concat_ws(
        '',
        hash_part(CAST("column value" AS VARCHAR), 'column', hashed),  -- each column, not number
        hash_part(write_number("column value"), 'column', hashed),  -- each number column
        ''
    )));
