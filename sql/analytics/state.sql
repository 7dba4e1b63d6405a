-- Which history the star schema would be built from. All merges count, not only the newest: a late
-- snapshot, another CDC_KEY or contract replays the history and leaves its newest batch.
WITH described AS (
    SELECT
        batch_id,
        snapshot_at,
        concat_ws(
            '|', CAST(snapshot_at AS VARCHAR), batch_id, cdc_key, tracked_columns,
            CAST(inserted AS VARCHAR), CAST(reappeared AS VARCHAR), CAST(updated AS VARCHAR),
            CAST(deleted AS VARCHAR), CAST(filled AS VARCHAR), CAST(current_rows AS VARCHAR),
            contract
        ) AS merge_text
    FROM ops_merges
)

SELECT
    max_by(batch_id, snapshot_at) AS batch_id,
    md5(string_agg(merge_text, ';' ORDER BY merge_text)) AS merges,
    (SELECT count(*) FROM analytics_netflix_history) AS history_rows,
    (SELECT count(*) FROM analytics_netflix_history WHERE is_current) AS current_rows
FROM described;
