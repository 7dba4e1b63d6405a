-- Every staged title has an id, a type and a title.
-- severity: error
-- Grain: one row per offending title.
-- Inputs -> outputs: staging_netflix_titles -> offending rows.
-- Running it twice is safe: it only reads.
SELECT
    business_key,
    show_id,
    "type",
    title,
    source_line
FROM staging_netflix_titles
WHERE show_id IS NULL OR "type" IS NULL OR title IS NULL;
