-- Leaves only new and changed records to stage; unchanged ones keep their staged rows.
-- Grain: records_to_stage one row per record of the snapshot that record_moves does not name.
-- Inputs -> outputs: contract_netflix_titles, record_moves (of staging/match_unchanged.sql) ->
--   temp table lines_to_stage, temp view records_to_stage.
-- Running it twice is safe: both are replaced.

-- Few lines: with them as a filter, the other columns are read only around them.
CREATE OR REPLACE TEMP TABLE lines_to_stage AS
SELECT source_line
FROM contract_netflix_titles
WHERE source_line NOT IN (SELECT record_moves.new_line FROM record_moves);

CREATE OR REPLACE TEMP VIEW records_to_stage AS
SELECT
    "column",  -- each column
    record_hash,
    source_line
FROM contract_netflix_titles
WHERE source_line IN (SELECT lines_to_stage.source_line FROM lines_to_stage);
