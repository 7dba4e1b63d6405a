-- Writes one snapshot's changes into the history: closes ended versions, adds new ones.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: merge_changes (of history/diff.sql), merge_input, ambiguous_candidates;
--   session variables batch_id and snapshot_at -> analytics_netflix_history (only rows that change
--   are touched), ops_ambiguous_matches.
-- Running it twice is safe: the caller merges a batch once, and in one transaction.

UPDATE analytics_netflix_history
SET
    valid_to = getvariable('snapshot_at'),
    is_current = false,
    end_operation = ended.operation,
    end_batch_id = getvariable('batch_id')
FROM merge_changes AS ended
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = ended.title_id
    AND ended.operation IN ('update', 'delete');

INSERT INTO analytics_netflix_history
SELECT
    md5(new.title_id || '|' || CAST(getvariable('snapshot_at') AS VARCHAR)) AS version_id,
    new.title_id,
    new.business_key,
    new.show_id,
    new."type",
    new.title,
    new.director,
    new."cast",
    new.country,
    new.date_added,
    new.release_year,
    new.rating,
    new.duration,
    new.duration_minutes,
    new.seasons,
    new.listed_in,
    new.description,
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
    AND new.staged_by = changes.staged_by  -- spares reading what older batches staged
WHERE changes.operation IN ('insert', 'update', 'reappear');

-- The tracked columns changed, the title did not: no new version, the open one is brought level.
UPDATE analytics_netflix_history
SET
    "type" = new."type",
    title = new.title,
    director = new.director,
    "cast" = new."cast",
    country = new.country,
    date_added = new.date_added,
    release_year = new.release_year,
    rating = new.rating,
    duration = new.duration,
    duration_minutes = new.duration_minutes,
    seasons = new.seasons,
    listed_in = new.listed_in,
    description = new.description,
    row_hash = new.row_hash
FROM (
    SELECT
        filled.title_id,
        filled."type",
        filled.title,
        filled.director,
        filled."cast",
        filled.country,
        filled.date_added,
        filled.release_year,
        filled.rating,
        filled.duration,
        filled.duration_minutes,
        filled.seasons,
        filled.listed_in,
        filled.description,
        filled.row_hash
    FROM merge_input AS filled
    INNER JOIN merge_changes AS changes ON filled.title_id = changes.title_id
    WHERE changes.operation = 'fill'
) AS new
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = new.title_id;

INSERT INTO ops_ambiguous_matches
SELECT
    getvariable('batch_id') AS batch_id,
    business_key,
    min(title) AS title,
    string_agg(title_id, ', ' ORDER BY title_id) AS candidates
FROM ambiguous_candidates
GROUP BY business_key;
