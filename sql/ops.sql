-- Creates the tables of the pipeline's own records: what ran when, with what result.
-- Grain: ops_runs one row per step and run; ops_schema_changes one per change seen; ops_checks one
--   per check and audit; ops_check_failures one per offending row (capped); ops_metrics one per
--   batch and metric; ops_state one, the last known record; ops_proven_files one per night.
-- Inputs -> outputs: none -> the tables.
-- Running it twice is safe: it creates only what is missing.
CREATE TABLE IF NOT EXISTS ops_runs (
    run_id VARCHAR,
    batch_id VARCHAR,
    step VARCHAR,
    status VARCHAR,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    rows_in BIGINT,
    rows_out BIGINT,
    message VARCHAR,
    "version" VARCHAR
);

-- For a warehouse from before 1.0.0.
ALTER TABLE ops_runs ADD COLUMN IF NOT EXISTS "version" VARCHAR;

CREATE TABLE IF NOT EXISTS ops_schema_changes (
    batch_id VARCHAR,
    kind VARCHAR,
    column_name VARCHAR,
    detail VARCHAR,
    seen_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS ops_checks (
    run_id VARCHAR,
    batch_id VARCHAR,
    checked_at TIMESTAMP,
    check_name VARCHAR,
    severity VARCHAR,
    verdict VARCHAR,
    row_count BIGINT,
    description VARCHAR
);

CREATE TABLE IF NOT EXISTS ops_check_failures (
    run_id VARCHAR,
    check_name VARCHAR,
    position INTEGER,
    offending_row VARCHAR
);

CREATE TABLE IF NOT EXISTS ops_metrics (
    batch_id VARCHAR,
    snapshot_at TIMESTAMP,
    metric VARCHAR,
    "value" DOUBLE,
    is_good BOOLEAN
);

CREATE TABLE IF NOT EXISTS ops_state (
    record_number BIGINT,
    record_name VARCHAR,
    seal VARCHAR
);

CREATE TABLE IF NOT EXISTS ops_proven_files (
    file_name VARCHAR,
    proven_at TIMESTAMP
);
