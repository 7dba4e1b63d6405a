-- Creates an empty history: at first, and before a replay, which may have other columns.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: none -> analytics_netflix_history.
-- Running it twice is safe: it runs only if nothing is lost by it (create_tables, clear_history).

CREATE OR REPLACE TABLE analytics_netflix_history (
    version_id VARCHAR,
    title_id VARCHAR,
    business_key VARCHAR,
    "column" COLUMN_TYPE,  -- each stored column
    row_hash VARCHAR,
    repairs VARCHAR,
    source_line BIGINT,
    batch_id VARCHAR,
    operation VARCHAR,
    valid_from TIMESTAMP,
    valid_to TIMESTAMP,
    is_current BOOLEAN,
    end_operation VARCHAR,
    end_batch_id VARCHAR
);
