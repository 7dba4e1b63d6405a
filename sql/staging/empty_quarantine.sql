-- Creates the quarantine before the first staging: no record was seen before.
-- Grain: staging_netflix_quarantine one row per record and rule; none here.
-- Inputs -> outputs: none -> staging_netflix_quarantine.
-- Running it twice is safe: it leaves a quarantine that is there.
CREATE TABLE IF NOT EXISTS staging_netflix_quarantine (
    batch_id VARCHAR,
    business_key VARCHAR,
    rule VARCHAR,
    column_name VARCHAR,
    raw_value VARCHAR,
    title VARCHAR,
    "type" VARCHAR,
    release_year SMALLINT,
    description VARCHAR,
    source_line BIGINT,
    first_seen_at TIMESTAMP,
    last_seen_at TIMESTAMP
);
