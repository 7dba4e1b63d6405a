-- Finds what one staged snapshot changes in the history; changes nothing itself.
-- Grain: merge_changes one row per title that is new, changed, filled, gone, carried forward or to
--   be levelled (no new version: only its id or an attribute that is not tracked differs).
-- Inputs -> outputs: merge_input (staging with title_id), live_titles, rejected_texts, quarantine
--   and history; variables by_title, and the lists of columns -> temp table merge_changes.
-- Running it twice is safe: it replaces temporary tables only.

-- Whether a column that is not tracked has a new value: the open version takes it over.
CREATE OR REPLACE TEMP MACRO is_other(new_value, old_value, column_name) AS
    list_contains(getvariable('attributes'), column_name) AND new_value IS DISTINCT FROM old_value;

CREATE OR REPLACE TEMP TABLE merge_differences AS
SELECT
    coalesce(new.title_id, live.title_id) AS title_id,
    CASE
        WHEN live.title_id IS NULL THEN 'insert'
        WHEN new.title_id IS NULL THEN 'delete'
        WHEN new.row_hash <> live.row_hash THEN 'update'
        ELSE 'level'
    END AS operation,
    new.staged_by
FROM merge_input AS new
FULL JOIN live_titles AS live ON new.title_id = live.title_id
WHERE new.row_hash IS DISTINCT FROM live.row_hash
    OR is_other(new."column", live."column", 'column')  -- each column
    OR (getvariable('by_title') AND new.business_key <> live.business_key);

-- The value; NULL if only this file has the column and the title had no value in it.
CREATE OR REPLACE TEMP MACRO as_before(new_value, old_value, column_name) AS
    CASE
        WHEN list_contains(getvariable('new_columns'), column_name) AND old_value IS NULL THEN NULL
        ELSE new_value
    END;

-- Whether a record has this value, as far as it can be read.
CREATE OR REPLACE TEMP MACRO could_be(value, read_value) AS
    read_value IS NULL OR value = read_value;

CREATE OR REPLACE TEMP TABLE merge_changes AS
-- Nothing changed except that columns which the previous file lacked got their first values.
WITH filled AS (
    SELECT different.title_id
    FROM merge_differences AS different
    INNER JOIN merge_input AS new ON different.title_id = new.title_id
    INNER JOIN live_titles AS live ON different.title_id = live.title_id
    WHERE getvariable('has_new_columns')
        AND different.operation = 'update'
        AND live.row_hash = content_hash(
            as_before(new."column", live."column", 'column'),  -- each column
            getvariable('tracked_columns')
        )
),

gone AS (
    SELECT
        different.title_id,
        live.business_key,
        live."column",  -- each identity column
        live.description,
        text_words(CASE WHEN getvariable('by_title') THEN live.title ELSE live.business_key END)
            AS words
    FROM merge_differences AS different
    INNER JOIN live_titles AS live ON different.title_id = live.title_id
    WHERE different.operation = 'delete'
),

-- An unreadable record is not a deletion: its title is carried forward. By show_id, the quarantine
-- has the title's key (or its title, if the key is missing), or the key is among the words of the
-- rejects. By title, the record has the same title, type and year as far as they can be read.
unreadable AS (
    SELECT gone.title_id
    FROM gone
    INNER JOIN staging_netflix_quarantine AS quarantine
        ON gone.business_key = quarantine.business_key
    WHERE NOT getvariable('by_title') OR quarantine.title IS NULL
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN staging_netflix_quarantine AS quarantine ON gone.title = quarantine.title
    WHERE NOT getvariable('by_title')
        AND quarantine.rule LIKE 'missing_%'
        AND list_contains(getvariable('key_columns'), quarantine.column_name)
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN staging_netflix_quarantine AS quarantine
        ON (
            plain_title(gone.title) = plain_title(quarantine.title)
            OR (quarantine.title IS NULL AND gone.description = quarantine.description)
        )
        AND could_be(gone."column", quarantine."column")  -- each identity column, not title
    WHERE getvariable('by_title')
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN rejected_texts ON list_has_all(rejected_texts.words, gone.words)
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN ambiguous_candidates ON gone.title_id = ambiguous_candidates.title_id
),

ended_before AS (
    SELECT DISTINCT history.title_id
    FROM analytics_netflix_history AS history
    INNER JOIN merge_differences AS different ON history.title_id = different.title_id
    WHERE different.operation = 'insert' AND NOT history.is_current
)

SELECT
    different.title_id,
    CASE
        WHEN unreadable.title_id IS NOT NULL THEN 'carry'
        WHEN filled.title_id IS NOT NULL THEN 'fill'
        WHEN ended_before.title_id IS NOT NULL THEN 'reappear'
        ELSE different.operation
    END AS operation,
    different.staged_by
FROM merge_differences AS different
LEFT JOIN unreadable ON different.title_id = unreadable.title_id
LEFT JOIN filled ON different.title_id = filled.title_id
LEFT JOIN ended_before ON different.title_id = ended_before.title_id;
