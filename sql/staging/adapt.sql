-- Defines the contract's `values`, `null_markers`, `brackets`, `separator` and `unit` as functions.
-- Grain: none; scalar functions of one value. Runs only if the contract has any of these.
-- Inputs -> outputs: the session variables of Contract.variables (contract.py) -> temp macros.
-- Running it twice is safe: it replaces functions and touches no table.

-- list_transform([x], lambda v: ...)[1] names x once. Macros that call macros multiply their
-- parameters, and binding them would take seconds.

-- The publisher's value in the contract's words; NULL for a null marker.
CREATE OR REPLACE TEMP MACRO translate_value(value, column_name) AS
    list_transform([value], lambda v: CASE
        WHEN contains(getvariable('value_map'), chr(30) || column_name || '=' || v || chr(31))
            THEN nullif(split_part(split_part(
                getvariable('value_map'), chr(30) || column_name || '=' || v || chr(31), 2
            ), chr(30), 1), '')
        ELSE v
    END)[1];

-- ['a', "b, c"] as a, b c: without brackets, quotes and commas inside an entry.
CREATE OR REPLACE TEMP MACRO strip_brackets(value, column_name) AS
    list_transform([value], lambda v: CASE
        WHEN NOT list_contains(getvariable('bracketed_columns'), column_name) THEN v
        WHEN regexp_matches(v, '^[\[({] *[''"]')
            THEN replace(replace(replace(
                regexp_replace(
                    regexp_replace(v, '^[\[({] *[''"]|[''"] *[\])}]$', '', 'g'),
                    '[''"] *, *[''"]', chr(31), 'g'
                ), ',', ''), chr(92) || chr(39), chr(39)), chr(31), ', '
            )
        ELSE regexp_replace(v, '^[\[({] *| *[\])}]$', '', 'g')
    END)[1];

-- If the separator is not a comma, commas inside an entry are removed.
CREATE OR REPLACE TEMP MACRO separate(value, column_name) AS
    replace(
        replace(value, getvariable('dropped_' || column_name), ''),
        getvariable('separator_' || column_name), ', '
    );

CREATE OR REPLACE TEMP MACRO conform_list(value, column_name) AS
    list_aggregate(
        list_transform(
            string_split(
                trim(regexp_replace(
                    separate(
                        strip_brackets(translate_value(value, column_name), column_name),
                        column_name
                    ),
                    '( *, *)+', ', ', 'g'
                ), ', '),
                ', '
            ),
            lambda entry: nullif(translate_value(entry, column_name), '')
        ),
        'string_agg', ', '
    );

-- A bare number with the contract's `unit`: 90 is 90 min.
CREATE OR REPLACE TEMP MACRO add_unit(value) AS
    list_transform([value], lambda v: CASE
        WHEN getvariable('duration_unit') <> '' AND regexp_matches(v, '^[0-9]+([.,]0+)?$')
            THEN regexp_extract(v, '^[0-9]+') || ' ' || getvariable('duration_unit')
        ELSE v
    END)[1];

CREATE OR REPLACE TEMP MACRO conform_duration(value, column_name) AS
    add_unit(translate_value(value, column_name));

CREATE OR REPLACE TEMP MACRO conform(value, column_name) AS
    translate_value(value, column_name);
