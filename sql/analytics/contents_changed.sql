-- The tables of the star schema that are not as step 08 left them, one row each.
SELECT coalesce(known.table_name, found.table_name) AS table_name
FROM analytics_contents AS known
FULL JOIN contents_now AS found ON known.table_name = found.table_name
WHERE known.row_count IS DISTINCT FROM found.row_count
    OR known.content IS DISTINCT FROM found.content
ORDER BY coalesce(known.table_name, found.table_name);
