-- Every table and view with its columns and comments, in the order of the table.
WITH named AS (
    SELECT
        table_name,
        "comment" AS table_comment
    FROM duckdb_tables()
    WHERE NOT internal
    UNION ALL
    SELECT
        view_name AS table_name,
        "comment" AS table_comment
    FROM duckdb_views()
    WHERE NOT internal
)

SELECT
    named.table_name,
    named.table_comment,
    columns.column_name,
    columns.data_type,
    columns."comment"
FROM named
INNER JOIN duckdb_columns() AS columns ON named.table_name = columns.table_name
ORDER BY named.table_name, columns.column_index;
