-- The pipeline's own records: who ran when, with what result.
-- Grain: ops_runs one row per step and run.
-- Inputs -> outputs: none -> ops_runs.
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
