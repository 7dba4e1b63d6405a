-- Movies last minutes, TV shows seasons; a publisher who gives one unit for all does not say so.
-- broken: A movie lasts seasons, or a TV show minutes.
-- severity: warn
-- scope: begun
-- way_out: if one number stands for both, add a `unit` to [columns.duration] of the contract.
SELECT
    title_id,
    "type",
    title,
    duration
FROM analytics_netflix_current
WHERE getvariable('duration_unit') = ''
    AND (
        ("type" = 'Movie' AND seasons IS NOT NULL)
        OR ("type" = 'TV Show' AND duration_minutes IS NOT NULL)
    );
