-- The titles that are in the catalogue before the merge.
-- Grain: live_titles one row per open version. Its row_hash is that of the tracked columns that the
--   file has. What a file does not have it knows nothing about: the value is kept.
-- Inputs -> outputs: analytics_netflix_history; session variables rehash (the columns are others
--   than those of the merge before), tracked_columns -> temp view live_titles.
-- Running it twice is safe: it replaces a view.
CREATE OR REPLACE TEMP VIEW live_titles AS
SELECT
    title_id,
    business_key,
    show_id,
    director,
    "cast",
    country,
    date_added,
    rating,
    duration,
    listed_in,
    description,
    CASE
        WHEN getvariable('rehash')
            THEN content_hash(
                getvariable('tracked_columns'), show_id, "type", title, director, "cast", country,
                date_added, release_year, rating, duration, listed_in, description
            )
        ELSE row_hash
    END AS row_hash
FROM analytics_netflix_history
WHERE is_current;
