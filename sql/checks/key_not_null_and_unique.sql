-- Every staged title has a key, and no two have the same.
-- broken: A staged title has no key, or the key of another one.
-- severity: error
-- scope: staged_keys
SELECT
    business_key,
    count(*) AS row_count
FROM staging_netflix_titles
GROUP BY business_key
HAVING count(*) > 1 OR business_key IS NULL OR business_key = '';
