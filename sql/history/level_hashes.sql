-- Brings the hashes of the open versions level with the columns of the snapshot that was merged.
-- Grain: analytics_netflix_history one row per version of a title (SCD type 2).
-- Inputs -> outputs: live_titles -> analytics_netflix_history (row_hash alone).
-- Running it twice is safe: a hash that is right stays.
UPDATE analytics_netflix_history
SET row_hash = live.row_hash
FROM live_titles AS live
WHERE analytics_netflix_history.is_current
    AND analytics_netflix_history.title_id = live.title_id
    AND analytics_netflix_history.row_hash <> live.row_hash;
