-- The history that the star schema would be built from. All merges count, not only the newest: with
-- a late snapshot, another CDC_KEY or contract, the history is replayed with the same newest batch.
WITH described AS (
    SELECT
        batch_id,
        snapshot_at,
        inserted + reappeared + updated AS begun,
        inserted + reappeared - deleted AS gained,
        filled,
        tracked_columns,
        row_number() OVER (ORDER BY snapshot_at DESC) AS age,
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
    (SELECT count(*) FROM analytics_netflix_history WHERE is_current) AS current_rows,
    -- all merges except the newest, and what that one changed
    md5(
        string_agg(
            CASE WHEN age > 1 THEN merge_text END, ';'
            ORDER BY CASE WHEN age > 1 THEN merge_text END
        )
    ) AS merges_before,
    max_by(CASE WHEN age > 1 THEN batch_id END, CASE WHEN age > 1 THEN snapshot_at END)
        AS batch_before,
    max(snapshot_at) AS snapshot_at,
    max_by(begun, snapshot_at) AS begun,
    max_by(gained, snapshot_at) AS gained,
    max_by(filled, snapshot_at) AS filled,
    max_by(tracked_columns, snapshot_at) AS tracked_columns
FROM described;
