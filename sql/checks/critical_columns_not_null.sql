-- Every staged title has an id, a type and a title.
-- severity: error
SELECT
    business_key,
    show_id,
    "type",
    title,
    source_line
FROM staging_netflix_titles
WHERE show_id IS NULL OR "type" IS NULL OR title IS NULL;
