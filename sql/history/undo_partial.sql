-- Takes back what a merge left that died before its record: for engines without transactions.
-- Grain: analytics_netflix_history one row per version of a title, as after the last whole merge.
-- Inputs -> outputs: session variable merged_batches (of ops_merges) -> analytics_netflix_history,
--   ops_ambiguous_matches.
-- Running it twice is safe: after whole merges it finds nothing (the record is a merge's last
--   statement), and the next run ends what one that dies in here began.
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
