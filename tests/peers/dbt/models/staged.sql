SELECT * RENAME ("cast" AS cast_members), CAST('{{ var("at") }}' AS TIMESTAMP) AS snapshot_at
FROM read_csv('{{ var("file") }}', header = true, all_varchar = true)
