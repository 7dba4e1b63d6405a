-- A few titles that contain the session variable `wanted`, in any case.
SELECT
    title_id,
    max(title) AS title
FROM analytics_netflix_history
WHERE strpos(lower(title), lower(getvariable('wanted'))) > 0
GROUP BY title_id
ORDER BY title, title_id
LIMIT 10;
