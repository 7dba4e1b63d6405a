-- Records what the audit saw, for the next one to look at what was merged since.
-- Grain: audit_record one row; audit_clean_checks one row per check that found nothing.
-- Inputs -> outputs: session variables -> the two tables.
-- Running it twice is safe: the tables are replaced.
CREATE OR REPLACE TABLE audit_record AS
SELECT
    getvariable('audited_at') AS audited_at,
    getvariable('rules') AS rules,
    getvariable('merges') AS merges,
    getvariable('staged') AS staged,
    CAST(getvariable('digest') AS HUGEINT) AS digest;

CREATE OR REPLACE TABLE audit_clean_checks AS
SELECT
    unnest(getvariable('clean_checks')) AS check_name,
    unnest(getvariable('clean_texts')) AS check_text;
