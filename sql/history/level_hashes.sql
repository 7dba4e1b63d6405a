-- Recomputes the hashes of the open versions for the columns of the merged snapshot.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: live_titles -> analytics_netflix_history (only row_hash).
-- Running it twice is safe: the hashes are the same.
UPDATE analytics_netflix_history
SET row_hash = live.row_hash
FROM live_titles AS live
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = live.title_id
    AND analytics_netflix_history.row_hash <> live.row_hash;
