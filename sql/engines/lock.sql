-- Creates the lock of a warehouse on another engine, which other machines may use, too.
-- Grain: one row per run at work; a second run removes its row again.
-- Inputs -> outputs: none -> run_lock.
-- Running it twice is safe: it creates only what is missing.
CREATE TABLE IF NOT EXISTS run_lock (
    holder VARCHAR,
    since TIMESTAMP
);
