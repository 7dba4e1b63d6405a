-- Row counts and invariants of one merge; every column but the counts must be zero. Only changed
-- titles are checked by version: earlier merges checked the others, and a checksum holds them.
WITH inserted AS (
    SELECT
        count(*) AS versions,
        count(*) FILTER (WHERE NOT history.is_current OR history.valid_to IS NOT NULL) AS ended
    FROM analytics_netflix_history AS history
    INNER JOIN merge_changes ON history.title_id = merge_changes.title_id
    WHERE merge_changes.operation = 'insert'
),

touched AS (
    SELECT
        history.title_id,
        history.valid_from,
        history.valid_to,
        history.is_current,
        lead(history.valid_from) OVER (
            PARTITION BY history.title_id ORDER BY history.valid_from
        ) AS next_from
    FROM analytics_netflix_history AS history
    INNER JOIN merge_changes ON history.title_id = merge_changes.title_id
    WHERE merge_changes.operation NOT IN ('insert', 'level')
),

broken AS (
    SELECT
        count(*) FILTER (WHERE is_current)
            - count(DISTINCT CASE WHEN is_current THEN title_id END) AS doubled,
        count(*) FILTER (WHERE valid_to <= valid_from) AS without_span,
        count(*) FILTER (WHERE next_from < valid_to) AS overlapping,
        count(*) FILTER (
            WHERE is_current <> (valid_to IS NULL)
                OR (next_from IS NOT NULL AND valid_to IS NULL)
        ) AS wrongly_open
    FROM touched
),

live AS (
    SELECT
        count(*) AS row_count,
        bit_xor(hash(title_id, row_hash)) AS checksum
    FROM analytics_netflix_history
    WHERE is_current
),

staged AS (
    SELECT
        count(*) AS row_count,
        bit_xor(hash(title_id, row_hash)) AS checksum
    FROM merge_input
),

carried AS (
    SELECT
        count(*) AS row_count,
        bit_xor(hash(history.title_id, history.row_hash)) AS checksum
    FROM analytics_netflix_history AS history
    INNER JOIN merge_changes ON history.title_id = merge_changes.title_id
    WHERE history.is_current AND merge_changes.operation = 'carry'
)

SELECT
    live.row_count AS current_rows,
    carried.row_count AS carried_rows,
    live.row_count - staged.row_count - carried.row_count AS current_is_staging_plus_carried,
    xor(
        coalesce(live.checksum, 0),
        xor(coalesce(staged.checksum, 0), coalesce(carried.checksum, 0))
    ) AS current_content_is_staging_plus_carried,
    abs(
        inserted.versions - (SELECT count(*) FROM merge_changes WHERE operation = 'insert')
    ) + inserted.ended AS new_titles_have_one_open_version,
    broken.doubled AS one_current_version_per_title,
    broken.without_span AS valid_from_before_valid_to,
    broken.overlapping AS no_overlap,
    broken.wrongly_open AS only_the_last_version_is_open
FROM live
CROSS JOIN inserted
CROSS JOIN broken
CROSS JOIN staged
CROSS JOIN carried;
