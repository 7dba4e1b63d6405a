-- Defines for other engines the macros of macros.sql and analytics/prepare.sql that only DuckDB can
-- run. Here they replace those of the same name; on DuckDB its own are many times faster.
-- tests/engines/test_dialects.py compares the two.
-- Grain: none; scalar functions of one value.
-- Inputs -> outputs: none -> macros.
-- Running it twice is safe: it replaces functions and touches no table.
CREATE OR REPLACE TEMP MACRO month_number(name) AS
    CASE name
        WHEN 'january' THEN '01'
        WHEN 'february' THEN '02'
        WHEN 'march' THEN '03'
        WHEN 'april' THEN '04'
        WHEN 'may' THEN '05'
        WHEN 'june' THEN '06'
        WHEN 'july' THEN '07'
        WHEN 'august' THEN '08'
        WHEN 'september' THEN '09'
        WHEN 'october' THEN '10'
        WHEN 'november' THEN '11'
        WHEN 'december' THEN '12'
    END;

CREATE OR REPLACE TEMP MACRO short_month_number(name) AS
    CASE name
        WHEN 'jan' THEN '01'
        WHEN 'feb' THEN '02'
        WHEN 'mar' THEN '03'
        WHEN 'apr' THEN '04'
        WHEN 'may' THEN '05'
        WHEN 'jun' THEN '06'
        WHEN 'jul' THEN '07'
        WHEN 'aug' THEN '08'
        WHEN 'sep' THEN '09'
        WHEN 'oct' THEN '10'
        WHEN 'nov' THEN '11'
        WHEN 'dec' THEN '12'
    END;

-- NULL if the three texts are not a day of the calendar, or one of them is missing.
CREATE OR REPLACE TEMP MACRO iso_date(year_text, month_text, day_text) AS
    TRY_CAST(
        lpad(year_text, 4, '0') || '-' || month_text || '-' || lpad(day_text, 2, '0') AS DATE
    );

-- Two digits mean the years 1969 to 2068.
CREATE OR REPLACE TEMP MACRO full_year(year_text) AS
    CASE WHEN lpad(year_text, 2, '0') >= '69' THEN '19' ELSE '20' END || lpad(year_text, 2, '0');

CREATE OR REPLACE TEMP MACRO part(value, pattern, place) AS
    regexp_extract(lower(value), pattern, place);

-- The translator writes try_strptime for these engines (engines/dates.py), for years from 1900 on.
CREATE OR REPLACE TEMP MACRO parse_date(value, column_name) AS
    try_strptime(value, getvariable('formats_' || column_name));

-- Each engine's function that removes duplicates in order; DuckDB's does not keep the order.
CREATE OR REPLACE TEMP MACRO list_members(value) AS
    list_distinct(string_split(value, ', '));
