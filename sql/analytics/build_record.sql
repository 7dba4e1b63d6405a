-- Records what the star schema was built from, to recognise a history that has not changed since.
-- Grain: one row.
-- Inputs -> outputs: session variables batch_id, merges, rules, history_rows, current_rows, objects
--   (of state.sql) -> analytics_build.
-- Running it twice is safe: the table is replaced.
CREATE OR REPLACE TABLE analytics_build AS
SELECT
    getvariable('batch_id') AS batch_id,
    getvariable('merges') AS merges,
    getvariable('rules') AS rules,
    getvariable('history_rows') AS history_rows,
    getvariable('current_rows') AS current_rows,
    getvariable('objects') AS objects;

COMMENT ON TABLE analytics_build IS 'What the star schema was last built from: one row.';
COMMENT ON COLUMN analytics_build.batch_id IS 'The newest snapshot in the history.';
COMMENT ON COLUMN analytics_build.merges IS 'Digest of all merges that made the history.';
COMMENT ON COLUMN analytics_build.rules IS
    'Digest of the SQL, the country names and the pinned packages that built it.';
COMMENT ON COLUMN analytics_build.history_rows IS 'Title versions in the history.';
COMMENT ON COLUMN analytics_build.current_rows IS 'Titles in the catalogue.';
COMMENT ON COLUMN analytics_build.objects IS 'Tables and views that the star schema consists of.';
