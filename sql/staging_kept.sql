-- Finds the records that stand in staging already, to the letter, wherever they stood in the file.
-- Grain: kept_records one row per staged record whose like is in the new snapshot: equal hash of
--   all values, and equal show_id. Further copies of it are staged, and found to be such, as ever.
-- Inputs -> outputs: contract_netflix_titles, staging_records -> temp table kept_records.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE kept_records AS
WITH firsts AS (
    SELECT
        record_hash,
        arg_min(show_id, source_line) AS show_id,
        min(source_line) AS source_line
    FROM contract_netflix_titles
    WHERE record_hash IS NOT NULL
    GROUP BY record_hash
)

SELECT
    staged.source_line AS old_line,
    firsts.source_line AS new_line
FROM staging_records AS staged
INNER JOIN firsts
    ON staged.record_hash = firsts.record_hash
    AND CASE
        WHEN staged.show_id = firsts.show_id THEN true  -- spares most of them the cleaning
        ELSE staged.show_id IS NOT DISTINCT FROM clean_list(clean_text(firsts.show_id), 'show_id')
    END
WHERE staged.is_staged;
