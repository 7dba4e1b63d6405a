-- The merges that made the history, as a digest: all of them, and those of the last audit; and what
-- of the merges since tells whether they changed a value of an older version.
WITH followed AS (
    SELECT
        snapshot_at,
        concat_ws(
            '|', snapshot_at, batch_id, cdc_key, tracked_columns, inserted, reappeared, updated,
            deleted, filled, current_rows, contract
        ) AS merge_text,
        cdc_key,
        tracked_columns
        = lag(tracked_columns, 1, tracked_columns) OVER (ORDER BY snapshot_at) AS tracks_the_same
    FROM ops_merges
)

SELECT
    max(snapshot_at) AS audited_at,
    md5(string_agg(merge_text, ';' ORDER BY merge_text)) AS merges,
    md5(
        string_agg(merge_text, ';' ORDER BY merge_text)
            FILTER (WHERE snapshot_at <= getvariable('audited_at'))
    ) AS merges_then,
    coalesce(
        bool_and(tracks_the_same) FILTER (WHERE snapshot_at > getvariable('audited_at')), true
    ) AS tracks_the_same,
    string_agg(DISTINCT cdc_key, ' ') FILTER (WHERE snapshot_at > getvariable('audited_at'))
        AS keys_since,
    (SELECT max(batch_id || ' ' || rules) FROM staging_counts) AS staged
FROM followed;
