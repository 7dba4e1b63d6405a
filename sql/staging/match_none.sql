-- Matches no staged record: all records of the snapshot are staged.
-- Grain: record_moves none.
-- Inputs -> outputs: none -> temp table record_moves, empty.
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE record_moves (
    record_id BIGINT,
    new_line BIGINT
);
