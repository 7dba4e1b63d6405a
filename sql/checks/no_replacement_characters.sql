-- No text has U+FFFD, the sign for a lost character.
-- broken: A text has U+FFFD, the sign for a lost character.
-- severity: warn
-- scope: begun
-- error_if: > odd_titles_pct
-- way_out: ask the publisher for a file in UTF-8, or raise odd_titles_pct in the contract.
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE contains(
    concat_ws(
        ' ',
        "column",  -- each text or list column, not show_id or type or rating
        NULL
    ),
    chr(65533)
);
