-- Creates the tables of the merge records.
-- Grain: ops_merges, ops_origin one row per batch; ops_ambiguous_matches one per title.
-- Inputs -> outputs: none -> the tables, empty if they are new.
-- Running it twice is safe: it creates only what is missing.

CREATE TABLE IF NOT EXISTS ops_merges (
    batch_id VARCHAR,
    snapshot_at TIMESTAMP,
    cdc_key VARCHAR,
    tracked_columns VARCHAR,
    previous_rows BIGINT,
    inserted BIGINT,
    reappeared BIGINT,
    updated BIGINT,
    deleted BIGINT,
    unchanged BIGINT,
    filled BIGINT,
    carried BIGINT,
    current_rows BIGINT,
    accepted BOOLEAN,
    contract VARCHAR
);

-- For a warehouse from before 1.0.0.
ALTER TABLE ops_merges ADD COLUMN IF NOT EXISTS contract VARCHAR;

CREATE TABLE IF NOT EXISTS ops_origin (
    batch_id VARCHAR,
    snapshot_at TIMESTAMP,
    source VARCHAR,
    is_sample BOOLEAN
);

CREATE TABLE IF NOT EXISTS ops_ambiguous_matches (
    batch_id VARCHAR,
    business_key VARCHAR,
    title VARCHAR,
    candidates VARCHAR
);
