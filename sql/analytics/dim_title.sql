-- Shows titles with their history by the star schema's names. A view, as a copy would be a third of
-- the build and take twice its size in the file. Columns that nobody groups by (description) are in
-- the history under the same key (version_id).
-- Grain: one row per title version.
-- Inputs -> outputs: analytics_netflix_history -> dim_title.
-- Running it twice is safe: the view is replaced.
CREATE OR REPLACE VIEW dim_title AS
SELECT
    version_id AS title_key,
    title_id,
    show_id,
    "type",
    title,
    release_year,
    duration,
    "column",  -- each extra column
    operation,
    batch_id,
    valid_from,
    valid_to,
    is_current,
    end_operation,
    end_batch_id
FROM analytics_netflix_history;

COMMENT ON VIEW dim_title IS
    'Titles with their history (SCD type 2): one row per version of a title.';
COMMENT ON COLUMN dim_title.title_key IS 'Surrogate key of the version; version_id of the history.';
COMMENT ON COLUMN dim_title.title_id IS 'The title, the same in all its versions.';
COMMENT ON COLUMN dim_title.show_id IS 'The publisher''s id in this version.';
COMMENT ON COLUMN dim_title."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN dim_title.title IS 'Name of the title.';
COMMENT ON COLUMN dim_title.release_year IS 'Year of release; NULL if the file has none.';
COMMENT ON COLUMN dim_title.duration IS 'Duration as the publisher writes it.';
COMMENT ON COLUMN dim_title."column" IS 'what it means';  -- each extra column
COMMENT ON COLUMN dim_title.operation IS 'What began the version: insert, update or reappear.';
COMMENT ON COLUMN dim_title.batch_id IS 'The snapshot that began the version.';
COMMENT ON COLUMN dim_title.valid_from IS 'Time (UTC) of the snapshot that began the version.';
COMMENT ON COLUMN dim_title.valid_to IS 'Time (UTC) of the snapshot that ended it; NULL: open.';
COMMENT ON COLUMN dim_title.is_current IS 'Whether this is how the title is in the catalogue now.';
COMMENT ON COLUMN dim_title.end_operation IS 'What ended the version: update or delete.';
COMMENT ON COLUMN dim_title.end_batch_id IS 'The snapshot that ended the version.';
