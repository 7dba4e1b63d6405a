-- Names the files that staging consists of.
-- Grain: staging_files one row per file.
-- Inputs -> outputs: none -> staging_files, empty.
-- Running it twice is safe: the table is replaced in the transaction that fills it.
CREATE OR REPLACE TABLE staging_files (
    file_name VARCHAR,
    size_bytes BIGINT,
    sha256 VARCHAR
);
