-- Undoes a merge that died before it wrote its record, on engines without transactions.
-- Grain: analytics_netflix_history one row per version of a title, as after the last whole merge.
-- Inputs -> outputs: session variable merged_batches (of ops_merges) -> analytics_netflix_history,
--   ops_ambiguous_matches.
-- Running it twice is safe: after complete merges it finds nothing, as the record is a merge's last
--   statement. If a run dies in this file, the next one finishes it.
DELETE FROM analytics_netflix_history
WHERE NOT list_contains(getvariable('merged_batches'), batch_id);

UPDATE analytics_netflix_history
SET
    valid_to = NULL,
    is_current = true,
    end_operation = NULL,
    end_batch_id = NULL
WHERE NOT list_contains(getvariable('merged_batches'), end_batch_id);

DELETE FROM ops_ambiguous_matches
WHERE NOT list_contains(getvariable('merged_batches'), batch_id);
