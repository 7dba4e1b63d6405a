-- Writes new values of columns that are not tracked into the open versions.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: merge_input, merge_changes, session variable attributes (the columns) ->
--   analytics_netflix_history (only rows that differ are touched).
-- Running it twice is safe: the values are the same.
CREATE OR REPLACE TEMP MACRO attribute(new_value, old_value, column_name) AS
    CASE
        WHEN list_contains(getvariable('attributes'), column_name) THEN new_value
        ELSE old_value
    END;

UPDATE analytics_netflix_history
SET
    show_id = attribute(new.show_id, analytics_netflix_history.show_id, 'show_id'),
    "type" = attribute(new."type", analytics_netflix_history."type", 'type'),
    title = attribute(new.title, analytics_netflix_history.title, 'title'),
    director = attribute(new.director, analytics_netflix_history.director, 'director'),
    "cast" = attribute(new."cast", analytics_netflix_history."cast", 'cast'),
    country = attribute(new.country, analytics_netflix_history.country, 'country'),
    date_added = attribute(new.date_added, analytics_netflix_history.date_added, 'date_added'),
    release_year = attribute(
        new.release_year, analytics_netflix_history.release_year, 'release_year'
    ),
    rating = attribute(new.rating, analytics_netflix_history.rating, 'rating'),
    duration = attribute(new.duration, analytics_netflix_history.duration, 'duration'),
    duration_minutes = attribute(
        new.duration_minutes, analytics_netflix_history.duration_minutes, 'duration'
    ),
    seasons = attribute(new.seasons, analytics_netflix_history.seasons, 'duration'),
    listed_in = attribute(new.listed_in, analytics_netflix_history.listed_in, 'listed_in'),
    description = attribute(new.description, analytics_netflix_history.description, 'description')
FROM (
    SELECT
        changed.title_id,
        changed.show_id,
        changed."type",
        changed.title,
        changed.director,
        changed."cast",
        changed.country,
        changed.date_added,
        changed.release_year,
        changed.rating,
        changed.duration,
        changed.duration_minutes,
        changed.seasons,
        changed.listed_in,
        changed.description
    FROM merge_input AS changed
    INNER JOIN merge_changes AS changes ON changed.title_id = changes.title_id
    WHERE changes.operation = 'level'
) AS new
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = new.title_id;
