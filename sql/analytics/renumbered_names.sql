-- Names that had another key in the star schema before: every row is one. Then none can follow.
SELECT known.name
FROM known_names AS known
LEFT JOIN dim_country_name AS names ON known.name = names.name
WHERE names.country_key IS DISTINCT FROM known.country_key;
