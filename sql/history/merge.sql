-- Writes one snapshot's changes into the history: ends versions and adds new ones.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: merge_changes (of history/diff.sql), merge_input, ambiguous_candidates;
--   session variables batch_id, snapshot_at, missing_columns, has_missing_columns ->
--   analytics_netflix_history (only rows that change are touched), ops_ambiguous_matches.
-- Running it twice is safe: the caller merges a batch once, and in one transaction.

-- The values of the open versions in columns that the file lacks.
CREATE OR REPLACE TEMP TABLE kept_values AS
SELECT
    history."column",  -- each stored column
    history.title_id
FROM analytics_netflix_history AS history
INNER JOIN merge_changes AS changes ON history.title_id = changes.title_id
WHERE getvariable('has_missing_columns')
    AND history.is_current
    AND changes.operation IN ('update', 'fill');

CREATE OR REPLACE TEMP MACRO kept(title_id, new_value, kept_value, column_name) AS
    CASE
        WHEN list_contains(getvariable('missing_columns'), column_name)
            AND title_id IS NOT NULL
            THEN kept_value
        ELSE new_value
    END;

UPDATE analytics_netflix_history
SET
    valid_to = getvariable('snapshot_at'),
    is_current = false,
    end_operation = CASE WHEN ended.operation = 'delete' THEN 'delete' ELSE 'update' END,
    end_batch_id = getvariable('batch_id')
FROM merge_changes AS ended
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = ended.title_id
    AND ended.operation IN ('update', 'fill', 'delete');

INSERT INTO analytics_netflix_history
SELECT
    md5(new.title_id || '|' || CAST(getvariable('snapshot_at') AS VARCHAR)) AS version_id,
    new.title_id,
    new.business_key,
    kept(old.title_id, new."column", old."column", 'of column') AS "column",  -- each stored column
    new.row_hash,
    new.repairs,
    new.source_line,
    new.batch_id,
    changes.operation,
    getvariable('snapshot_at') AS valid_from,
    CAST(NULL AS TIMESTAMP) AS valid_to,
    true AS is_current,
    CAST(NULL AS VARCHAR) AS end_operation,
    CAST(NULL AS VARCHAR) AS end_batch_id
FROM merge_input AS new
INNER JOIN merge_changes AS changes
    ON new.title_id = changes.title_id
    AND new.staged_by = changes.staged_by  -- skips the rows that older batches staged
LEFT JOIN kept_values AS old ON new.title_id = old.title_id
WHERE changes.operation IN ('insert', 'update', 'fill', 'reappear');

INSERT INTO ops_ambiguous_matches
SELECT
    getvariable('batch_id') AS batch_id,
    business_key,
    min(title) AS title,
    string_agg(title_id, ', ' ORDER BY title_id) AS candidates
FROM ambiguous_candidates
GROUP BY business_key;
