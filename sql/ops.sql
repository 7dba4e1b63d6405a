-- The pipeline's own records: who ran when, with what result.
-- Grain: ops_runs one row per step and run; ops_schema_changes one per change that a run saw.
-- Inputs -> outputs: none -> ops_runs, ops_schema_changes.
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
    message VARCHAR
);

CREATE TABLE IF NOT EXISTS ops_schema_changes (
    batch_id VARCHAR,
    kind VARCHAR,
    column_name VARCHAR,
    detail VARCHAR,
    seen_at TIMESTAMP
);
