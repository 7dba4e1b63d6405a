-- Measures the merged snapshot, for the checks that compare it with earlier runs.
-- Grain: metrics_now one row per metric.
-- Inputs -> outputs: audit_sums, ops_merges, staging_netflix_quarantine -> the temp table
--   metrics_now (titles, new, changed, gone, quarantined, and null_pct:<column>).
-- Running it twice is safe: it replaces a temporary table.
CREATE OR REPLACE TEMP TABLE metrics_now AS
WITH last_merge AS (
    SELECT
        batch_id,
        snapshot_at,
        inserted,
        reappeared,
        updated,
        deleted,
        previous_rows
    FROM ops_merges
    ORDER BY snapshot_at DESC
    LIMIT 1
),

volumes AS (
    SELECT
        unnest(['new', 'changed', 'gone']) AS metric,
        unnest([inserted + reappeared, updated, deleted]) AS "value"
    FROM last_merge
    WHERE previous_rows > 0
),

shares AS (
    SELECT
        unnest([
            'column',  -- each column, not show_id
            ''
        ]) AS column_name,
        unnest([
            "column",  -- each column, not show_id
            0
        ]) AS filled,
        "all titles" AS titles
    FROM audit_sums
),

measured AS (
    SELECT
        metric,
        CAST("value" AS DOUBLE) AS "value"
    FROM volumes
    UNION ALL
    SELECT
        'null_pct:' || column_name AS metric,
        CAST(100 AS DOUBLE) * (titles - filled) / titles AS "value"
    FROM shares
    WHERE titles > 0 AND column_name <> ''
    UNION ALL
    SELECT
        'titles' AS metric,
        "all titles" AS "value"
    FROM audit_sums
    UNION ALL
    SELECT
        'quarantined' AS metric,
        count(DISTINCT source_line) AS "value"
    FROM staging_netflix_quarantine
)

SELECT
    last_merge.batch_id,
    last_merge.snapshot_at,
    measured.metric,
    measured."value"
FROM measured
CROSS JOIN last_merge;
