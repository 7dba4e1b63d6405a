-- Stores the ISO 3166 codes of the catalogue's country names that ISO knows.
-- Grain: country_codes one row per country name.
-- Inputs -> outputs: session variable country_codes, one text (700 bound values take 0.15 s): a
--   chr(31) between fields, a chr(30) after rows, neither in any name -> temp table country_codes.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE country_codes AS
WITH lines AS (
    SELECT unnest(string_split(getvariable('country_codes'), chr(30))) AS line
)

SELECT
    split_part(line, chr(31), 1) AS country,
    split_part(line, chr(31), 2) AS iso_alpha2,
    split_part(line, chr(31), 3) AS iso_alpha3,
    nullif(split_part(line, chr(31), 4), '') AS iso_numeric,
    split_part(line, chr(31), 5) AS iso_name,
    split_part(line, chr(31), 6) AS status
FROM lines
WHERE line <> '';
