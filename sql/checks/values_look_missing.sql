-- No text stands for a missing value (NA, \N, nan, NULL, None, -, 0 ...), except in a title.
-- broken: A text stands for a missing value (NA, \N, nan, NULL, None, -, 0 ...).
-- severity: warn
-- scope: begun
-- way_out: `make inspect PROPOSE=1` shows the null_markers that read them as missing.
WITH marked AS (
    SELECT
        source_line,
        unnest([
            'column',  -- each text or list or duration column, not show_id or type or title
            ''
        ]) AS column_name,
        unnest([
            "column",  -- each text or list or duration column, not show_id or type or title
            ''
        ]) AS found_value
    FROM analytics_netflix_current
    WHERE regexp_matches(
        concat_ws(
            chr(31),
            '',
            "column",  -- each text or list or duration column, not show_id or type or title
            ''
        ),
        '\x1F([Nn][Aa]|[Nn]/[Aa]|[Nn][Aa][Nn]|[Nn][Uu][Ll][Ll]|[Nn]one|NONE|\\N|-+|[?]|0|'
        || '[Nn]ot [Gg]iven|[Uu]nknown)\x1F'
    )
)

SELECT
    column_name,
    found_value,
    count(*) AS titles,
    min(source_line) AS first_line
FROM marked
WHERE lower(found_value) IN (
    'na', 'n/a', 'nan', 'null', 'none', '\n', '-', '--', '?', '0', 'not given', 'unknown'
)
GROUP BY column_name, found_value;
