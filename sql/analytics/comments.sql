-- Comments on the tables besides the star schema: history and the pipeline's records.
-- Grain: one comment per table and column that is published.
-- Inputs -> outputs: none -> comments; sql/analytics/dimensions.sql, take_all.sql and kpis.sql have
--   those of their own tables, view_comments.sql those of the views over the history.
-- Running it twice is safe: a comment replaces itself.

COMMENT ON TABLE analytics_netflix_history IS
    'Titles with their history (SCD type 2): one row per version of a title.';
COMMENT ON COLUMN analytics_netflix_history.version_id IS
    'The version: a surrogate key that a replay of the snapshots gives again.';
COMMENT ON COLUMN analytics_netflix_history.title_id IS 'The title, the same in all its versions.';
COMMENT ON COLUMN analytics_netflix_history.business_key IS
    'The key of the title in its snapshot (see CDC_KEY).';
COMMENT ON COLUMN analytics_netflix_history.show_id IS 'The publisher''s id.';
COMMENT ON COLUMN analytics_netflix_history."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN analytics_netflix_history.title IS 'Name of the title.';
COMMENT ON COLUMN analytics_netflix_history.director IS
    'Directors, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_history."cast" IS
    'Cast in billing order, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_history.country IS
    'Countries of production, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_history.date_added IS
    'Day on which the title came into the catalogue.';
COMMENT ON COLUMN analytics_netflix_history.release_year IS 'Year of release.';
COMMENT ON COLUMN analytics_netflix_history.rating IS 'Age rating.';
COMMENT ON COLUMN analytics_netflix_history.duration IS 'Duration as the publisher writes it.';
COMMENT ON COLUMN analytics_netflix_history.duration_minutes IS
    'Length in minutes; NULL for a series.';
COMMENT ON COLUMN analytics_netflix_history.seasons IS 'Number of seasons; NULL for a film.';
COMMENT ON COLUMN analytics_netflix_history.listed_in IS
    'Genres, separated by a comma and a blank.';
COMMENT ON COLUMN analytics_netflix_history.description IS 'What it is about.';
COMMENT ON COLUMN analytics_netflix_history."column" IS 'what it means';  -- each extra column
COMMENT ON COLUMN analytics_netflix_history.row_hash IS
    'Digest of the tracked values in the columns of the last file: equal hashes, equal titles.';
COMMENT ON COLUMN analytics_netflix_history.repairs IS
    'Repairs that cleaning made to the record, or NULL.';
COMMENT ON COLUMN analytics_netflix_history.source_line IS 'Line of the record in its file.';
COMMENT ON COLUMN analytics_netflix_history.batch_id IS 'The snapshot that began the version.';
COMMENT ON COLUMN analytics_netflix_history.operation IS
    'What began the version: insert, update, fill (a column came to the file) or reappear.';
COMMENT ON COLUMN analytics_netflix_history.valid_from IS
    'Time (UTC) of the snapshot that began the version.';
COMMENT ON COLUMN analytics_netflix_history.valid_to IS
    'Time (UTC) of the snapshot that ended the version; NULL while it is open.';
COMMENT ON COLUMN analytics_netflix_history.is_current IS
    'Whether this is how the title is in the catalogue now.';
COMMENT ON COLUMN analytics_netflix_history.end_operation IS
    'What ended the version: update or delete.';
COMMENT ON COLUMN analytics_netflix_history.end_batch_id IS 'The snapshot that ended the version.';

COMMENT ON TABLE ops_merges IS
    'What each snapshot did to the history: one row per merged snapshot.';
COMMENT ON COLUMN ops_merges.batch_id IS 'The snapshot.';
COMMENT ON COLUMN ops_merges.snapshot_at IS 'Time (UTC) of the snapshot.';
COMMENT ON COLUMN ops_merges.cdc_key IS 'What identified a title: show_id or title.';
COMMENT ON COLUMN ops_merges.tracked_columns IS 'Columns whose changes make a new version.';
COMMENT ON COLUMN ops_merges.previous_rows IS 'Titles in the catalogue before.';
COMMENT ON COLUMN ops_merges.inserted IS 'Titles that were never there before.';
COMMENT ON COLUMN ops_merges.reappeared IS 'Titles that were gone and came back.';
COMMENT ON COLUMN ops_merges.updated IS 'Titles with a changed value.';
COMMENT ON COLUMN ops_merges.deleted IS 'Titles that are gone.';
COMMENT ON COLUMN ops_merges.unchanged IS 'Titles that did not change.';
COMMENT ON COLUMN ops_merges.filled IS
    'Titles of which only values in a column that the previous file lacked are new.';
COMMENT ON COLUMN ops_merges.carried IS
    'Titles carried forward, as their record could not be read.';
COMMENT ON COLUMN ops_merges.current_rows IS 'Titles in the catalogue afterwards.';
COMMENT ON COLUMN ops_merges.accepted IS 'Whether a person accepted the snapshot past the guard.';
COMMENT ON COLUMN ops_merges.contract IS
    'Digest of all in the contract that decided on the values of the snapshot.';

COMMENT ON TABLE ops_proven_files IS
    'How far the snapshot files were proven by their digest: one row per night.';
COMMENT ON COLUMN ops_proven_files.file_name IS 'The last file below snapshots/ that was proven.';
COMMENT ON COLUMN ops_proven_files.proven_at IS 'Time (UTC) of the proof.';

COMMENT ON TABLE ops_state IS
    'The last record of the data folder (snapshot or decision) that is known: one row.';
COMMENT ON COLUMN ops_state.record_number IS 'How many records there are.';
COMMENT ON COLUMN ops_state.record_name IS 'Name of its file.';
COMMENT ON COLUMN ops_state.seal IS 'Its seal, which also proves all records before it.';

COMMENT ON TABLE ops_ambiguous_matches IS
    'Titles that fit several known ones, with CDC_KEY=title: one row per title.';
COMMENT ON COLUMN ops_ambiguous_matches.batch_id IS 'The snapshot.';
COMMENT ON COLUMN ops_ambiguous_matches.business_key IS 'The title''s key in it.';
COMMENT ON COLUMN ops_ambiguous_matches.title IS 'Its name.';
COMMENT ON COLUMN ops_ambiguous_matches.candidates IS 'What it could have been.';

COMMENT ON TABLE ops_origin IS 'Where each snapshot came from: one row per snapshot.';
COMMENT ON COLUMN ops_origin.batch_id IS 'The snapshot.';
COMMENT ON COLUMN ops_origin.snapshot_at IS 'Time (UTC) of the snapshot.';
COMMENT ON COLUMN ops_origin.source IS 'Name of the file, or its URL without user and query.';
COMMENT ON COLUMN ops_origin.is_sample IS 'Whether its titles were made up by make sample.';
COMMENT ON TABLE ops_runs IS 'What ran when, with what result: one row per step and run.';
COMMENT ON COLUMN ops_runs.run_id IS 'The run; all steps of a chain share it.';
COMMENT ON COLUMN ops_runs.batch_id IS 'The snapshot it worked on.';
COMMENT ON COLUMN ops_runs.step IS 'Name of the step.';
COMMENT ON COLUMN ops_runs.status IS 'done or failed.';
COMMENT ON COLUMN ops_runs.started_at IS 'Time (UTC) of its start.';
COMMENT ON COLUMN ops_runs.finished_at IS 'Time (UTC) of its end.';
COMMENT ON COLUMN ops_runs.rows_in IS 'Rows it read.';
COMMENT ON COLUMN ops_runs.rows_out IS 'Rows it made.';
COMMENT ON COLUMN ops_runs.message IS 'What it said at its end.';
COMMENT ON COLUMN ops_runs."version" IS 'Release of the pipeline; NULL is one before 1.0.0.';

COMMENT ON TABLE ops_schema_changes IS 'How the columns of the source changed: one row per change.';
COMMENT ON COLUMN ops_schema_changes.batch_id IS 'The snapshot that came with it.';
COMMENT ON COLUMN ops_schema_changes.kind IS
    'What happened: added, removed, renamed, reordered ...';
COMMENT ON COLUMN ops_schema_changes.column_name IS 'The column; (header) for all of them.';
COMMENT ON COLUMN ops_schema_changes.detail IS 'What was found.';
COMMENT ON COLUMN ops_schema_changes.seen_at IS 'Time (UTC) it was seen.';

COMMENT ON TABLE ops_checks IS 'What the audits found: one row per check and audit.';
COMMENT ON COLUMN ops_checks.run_id IS 'The run.';
COMMENT ON COLUMN ops_checks.batch_id IS 'The snapshot that was audited.';
COMMENT ON COLUMN ops_checks.checked_at IS 'Time (UTC) of the audit.';
COMMENT ON COLUMN ops_checks.check_name IS 'The check, a file in sql/checks.';
COMMENT ON COLUMN ops_checks.severity IS 'error or warn: what its rows mean.';
COMMENT ON COLUMN ops_checks.verdict IS 'pass, warn or fail.';
COMMENT ON COLUMN ops_checks.row_count IS 'Rows that should not be.';
COMMENT ON COLUMN ops_checks.description IS
    'What the check verifies; if it did not pass, what is wrong.';

COMMENT ON TABLE ops_check_failures IS
    'The first offending rows of each check that did not pass: one row each.';
COMMENT ON COLUMN ops_check_failures.run_id IS 'The run.';
COMMENT ON COLUMN ops_check_failures.check_name IS 'The check.';
COMMENT ON COLUMN ops_check_failures."position" IS 'Place among the rows found, from 1.';
COMMENT ON COLUMN ops_check_failures.offending_row IS 'The row, as name=value pairs.';

COMMENT ON TABLE ops_metrics IS
    'Measurements of each snapshot, to notice drift: one row per snapshot and metric.';
COMMENT ON COLUMN ops_metrics.batch_id IS 'The snapshot.';
COMMENT ON COLUMN ops_metrics.snapshot_at IS 'Time (UTC) of the snapshot.';
COMMENT ON COLUMN ops_metrics.metric IS 'What was measured.';
COMMENT ON COLUMN ops_metrics."value" IS 'Its value.';
COMMENT ON COLUMN ops_metrics.is_good IS
    'Whether the audit passed: only these are compared with.';
