-- The numbers of the page's head: the newest merge, the one before, the last audit and run.
WITH numbered AS (
    SELECT
        batch_id,
        snapshot_at,
        previous_rows,
        inserted + reappeared AS new_titles,
        updated + filled AS updated,
        deleted,
        carried,
        current_rows,
        row_number() OVER (ORDER BY snapshot_at DESC) AS age
    FROM ops_merges
)

SELECT
    newest.batch_id,
    newest.snapshot_at,
    before.snapshot_at AS previous_at,
    newest.previous_rows,
    newest.new_titles,
    newest.updated,
    newest.deleted,
    newest.carried,
    newest.current_rows,
    (SELECT arg_max(finished_at, rowid) FROM ops_runs WHERE step = 'monitor') AS audited_at
FROM numbered AS newest
LEFT JOIN numbered AS before ON before.age = 2
WHERE newest.age = 1;
