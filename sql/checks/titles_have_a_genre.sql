-- At most 20 titles have no genre.
-- broken: More than 20 titles have no genre.
-- severity: warn
-- scope: begun
-- warn_if: > 20
-- way_out: compare the column of genres in `make inspect` with the publisher's last file.
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE listed_in IS NULL;
