-- Comments on the views over the history.
-- Grain: one comment per view and column.
-- Inputs -> outputs: none -> comments.
-- Running it twice is safe: a comment replaces itself. 08 runs this each time, as 06 replaces the
--   two views, which loses their comments.

COMMENT ON VIEW analytics_netflix_current IS 'The catalogue as it is now: one row per title.';
COMMENT ON COLUMN analytics_netflix_current.title_id IS 'The title, the same in all its versions.';
COMMENT ON COLUMN analytics_netflix_current.show_id IS 'The publisher''s id.';
COMMENT ON COLUMN analytics_netflix_current."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN analytics_netflix_current.title IS 'Name of the title.';
COMMENT ON COLUMN analytics_netflix_current.director IS
    'Directors, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_current."cast" IS
    'Cast in billing order, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_current.country IS
    'Countries of production, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_current.date_added IS
    'Day on which the title came into the catalogue.';
COMMENT ON COLUMN analytics_netflix_current.release_year IS 'Year of release.';
COMMENT ON COLUMN analytics_netflix_current.rating IS 'Age rating.';
COMMENT ON COLUMN analytics_netflix_current.duration IS 'Duration as the publisher writes it.';
COMMENT ON COLUMN analytics_netflix_current.duration_minutes IS
    'Length in minutes; NULL for a series.';
COMMENT ON COLUMN analytics_netflix_current.seasons IS 'Number of seasons; NULL for a film.';
COMMENT ON COLUMN analytics_netflix_current.listed_in IS
    'Genres, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_current.description IS 'What it is about.';
COMMENT ON COLUMN analytics_netflix_current."column" IS 'what it means';  -- each extra column
COMMENT ON COLUMN analytics_netflix_current.version_id IS
    'The version: a surrogate key that a replay of the snapshots gives again.';
COMMENT ON COLUMN analytics_netflix_current.valid_from IS
    'Time (UTC) of the snapshot that began the version.';
COMMENT ON COLUMN analytics_netflix_current.batch_id IS 'The snapshot that began the version.';
COMMENT ON COLUMN analytics_netflix_current.source_line IS 'Line of the record in its file.';
COMMENT ON COLUMN analytics_netflix_current.row_hash IS
    'Digest of the tracked values in the columns of the last file: equal hashes, equal titles.';

COMMENT ON VIEW cdc_netflix_changes IS
    'Change feed: one row per changed column, and per title that came, came back or went.';
COMMENT ON COLUMN cdc_netflix_changes.batch_id IS 'The snapshot that brought the change.';
COMMENT ON COLUMN cdc_netflix_changes.changed_at IS 'Time (UTC) of that snapshot.';
COMMENT ON COLUMN cdc_netflix_changes.title_id IS 'The title.';
COMMENT ON COLUMN cdc_netflix_changes.operation IS 'insert, reappear, update, fill or delete.';
COMMENT ON COLUMN cdc_netflix_changes.column_name IS
    'The column that changed; NULL if a title came or went.';
COMMENT ON COLUMN cdc_netflix_changes.old_value IS
    'Value before, as text; the title''s name for a delete.';
COMMENT ON COLUMN cdc_netflix_changes.new_value IS
    'Value after, as text; the title''s name for an insert.';
