-- Numbers the snapshots of the history from 0, the oldest first.
-- Grain: one row per merged snapshot.
-- Inputs -> outputs: ops_merges, analytics_netflix_history -> temp table page_snapshots.
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE page_snapshots AS
WITH numbered AS (
    SELECT
        batch_id,
        snapshot_at,
        inserted + reappeared AS new_titles,
        updated + filled AS updated,
        deleted,
        current_rows,
        row_number() OVER (ORDER BY snapshot_at) - 1 AS snapshot
    FROM ops_merges
),

ended AS (
    SELECT
        end_batch_id,
        count(*) AS versions
    FROM analytics_netflix_history
    GROUP BY end_batch_id
),

-- Titles that are gone, though one of their name and type is there: renumbered, or corrected.
moved AS (
    SELECT
        gone.end_batch_id,
        count(*) AS titles
    FROM analytics_netflix_history AS gone
    WHERE
        gone.end_operation = 'delete'
        AND EXISTS (
            SELECT 1
            FROM analytics_netflix_history AS there
            WHERE
                lower(there.title) = lower(gone.title)
                AND there."type" = gone."type"
                AND there.valid_from <= gone.valid_to
                AND (there.valid_to IS NULL OR there.valid_to > gone.valid_to)
        )
    GROUP BY gone.end_batch_id
)

SELECT
    numbered.batch_id,
    numbered.snapshot,
    strftime(numbered.snapshot_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS snapshot_at,
    numbered.new_titles,
    numbered.updated,
    numbered.deleted,
    coalesce(moved.titles, 0) AS moved,
    numbered.current_rows,
    -- The number of versions on a page that goes back to this snapshot.
    (SELECT sum(versions) FROM ended) - coalesce(
        sum(ended.versions) OVER (ORDER BY numbered.snapshot), 0
    ) AS versions_since
FROM numbered
LEFT JOIN ended ON numbered.batch_id = ended.end_batch_id
LEFT JOIN moved ON numbered.batch_id = moved.end_batch_id;
