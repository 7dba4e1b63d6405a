-- Matches staged records to equal records of the new snapshot, wherever they are in the file.
-- Grain: record_moves one row per staged record that the snapshot has, too, and its line there.
--   Equal means an equal hash of all values, and an equal show_id. Further copies of a record are
--   staged again, and recognised as copies there.
-- Inputs -> outputs: contract_netflix_titles, staging_records -> temp table record_moves.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE record_moves AS
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
    staged.record_id,
    firsts.source_line AS new_line
FROM staging_records AS staged
INNER JOIN firsts ON staged.record_hash = firsts.record_hash
WHERE staged.is_staged
    AND (
        staged.show_id = firsts.show_id  -- most need no cleaning
        OR staged.show_id IS NOT DISTINCT FROM conform(clean_text(firsts.show_id), 'show_id')
    );
