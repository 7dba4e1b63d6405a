-- The books of the staging run that made the tables: raw = staged + quarantined + duplicates.
-- Grain: one row of counts (records; lost_in_cast counts values).
-- Inputs -> outputs: the raw view, staging tables and shared_keys of staging.sql -> the result set.
-- Running it twice is safe: it only reads.
SELECT
    (SELECT count(*) FROM raw_netflix_titles) AS raw,
    (SELECT count(*) FROM staging_netflix_titles) AS staged,
    (SELECT count(DISTINCT source_line) FROM staging_netflix_quarantine) AS quarantined,
    (SELECT count(*) FROM shared_keys WHERE NOT is_conflict AND copy_number > 1) AS duplicates,
    (SELECT count(*) FROM staging_lost_in_cast) AS lost_in_cast;
