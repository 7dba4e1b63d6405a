-- Other names of countries in the catalogue, and the name that the page uses for them.
SELECT
    names.name,
    countries.country AS main_name
FROM dim_country_name AS names
INNER JOIN dim_country AS countries ON names.country_key = countries.country_key
WHERE NOT names.is_main;
