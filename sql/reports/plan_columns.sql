-- Which columns a snapshot changes, and in how many titles.
SELECT
    column_name,
    count(*) AS titles
FROM cdc_netflix_changes
WHERE batch_id = getvariable('batch_id') AND column_name IS NOT NULL
GROUP BY column_name
ORDER BY titles DESC, column_name;
