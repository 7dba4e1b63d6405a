-- No text is UTF-8 that was read as Latin-1 on its way here (JÃ¸rgensen).
-- broken: A text is UTF-8 that was read as Latin-1 on its way here (JÃ¸rgensen).
-- severity: warn
-- scope: begun
-- error_if: > odd_titles_pct
-- way_out: ask the publisher for a file in UTF-8, or raise odd_titles_pct in the contract.
SELECT
    title_id,
    title
FROM analytics_netflix_current
WHERE (  -- few texts have one of these signs, and only they need the longer look
    contains("column", 'Ã') OR  -- each text or list column, not show_id or type or rating
    contains("column", 'Å') OR  -- each text or list column, not show_id or type or rating
    contains("column", 'Â') OR  -- each text or list column, not show_id or type or rating
    contains("column", 'â') OR  -- each text or list column, not show_id or type or rating
    false
)
AND regexp_matches(
    concat_ws(
        ' ',
        "column",  -- each text or list column, not show_id or type or rating
        NULL
    ),
    '[\x{C3}\x{C5}][\x{80}-\x{BF}]|\x{C2}[\x{A0}-\x{BF}]|\x{E2}\x{20AC}'
);
