-- Shows the titles that are in the catalogue before the merge.
-- Grain: live_titles one row per open version, with the hash of its tracked columns that the file
--   has. A column that the file lacks keeps its value.
-- Inputs -> outputs: analytics_netflix_history; session variables rehash (these columns are not
--   those of the previous merge), tracked_columns -> temp view live_titles, temp macros.
-- Running it twice is safe: it replaces all.

-- The values and words between separators, to find a title in a damaged record.
CREATE OR REPLACE TEMP MACRO text_words(text) AS
    string_split(
        regexp_replace(
            regexp_replace(trim(text), ' +', ' ', 'g'),
            ' ?[,;|"\t\r\n] ?', chr(31), 'g'
        ),
        chr(31)
    );

-- A title in the form that is compared: only letters and digits.
CREATE OR REPLACE TEMP MACRO plain_title(title) AS
    coalesce(
        nullif(regexp_replace(lower(strip_accents(title)), '[^\p{L}\p{N}]+', '', 'g'), ''),
        lower(title)
    );

CREATE OR REPLACE TEMP VIEW live_titles AS
SELECT
    title_id,
    business_key,
    "column",  -- each column
    CASE
        WHEN getvariable('rehash')
            THEN content_hash(
                "column",  -- each column
                getvariable('tracked_columns')
            )
        ELSE row_hash
    END AS row_hash
FROM analytics_netflix_history
WHERE is_current;
