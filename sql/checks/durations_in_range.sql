-- A title lasts as many minutes or seasons as the contract allows.
-- broken: A title lasts fewer or more minutes or seasons than the contract allows.
-- severity: warn
-- scope: begun
-- error_if: > odd_titles_pct
-- way_out: `unit`, `minutes` and `seasons` of [columns.duration] in the contract; odd_titles_pct.
SELECT
    title_id,
    title,
    duration
FROM analytics_netflix_current
WHERE duration_minutes < getvariable('fewest_minutes')
    OR duration_minutes > getvariable('most_minutes')
    OR seasons < getvariable('fewest_seasons')
    OR seasons > getvariable('most_seasons');
