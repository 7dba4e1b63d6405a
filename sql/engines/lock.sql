-- Who works on the warehouse of another engine, which other machines reach, too.
-- Grain: one row per run at work; a second one takes its row away again.
-- Inputs -> outputs: none -> run_lock.
-- Running it twice is safe: it creates only what is missing.
CREATE TABLE IF NOT EXISTS run_lock (
    holder VARCHAR,
    since TIMESTAMP
);
