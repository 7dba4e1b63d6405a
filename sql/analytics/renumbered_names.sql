-- Names that had another key in the star schema before, one row each: then all must be rebuilt.
SELECT known.name
FROM known_names AS known
LEFT JOIN dim_country_name AS names ON known.name = names.name
WHERE names.country_key IS DISTINCT FROM known.country_key;
