-- Finds what one staged snapshot changes in the history, without changing anything.
-- Grain: merge_changes one row per title that is new, changed, gone, carried or refilled.
-- Inputs -> outputs: merge_input (staging with title_id), staging_netflix_quarantine,
--   rejected_texts, analytics_netflix_history; session variables
--   by_title, rehash, new_columns, tracked_columns, key_columns -> temp table merge_changes.
-- Running it twice is safe: it replaces temporary tables only.

CREATE OR REPLACE TEMP MACRO differs(new_value, old_value, column_name) AS
    new_value IS DISTINCT FROM old_value
    AND list_contains(getvariable('tracked_columns'), column_name)
    AND NOT list_contains(getvariable('new_columns'), column_name);

CREATE OR REPLACE TEMP TABLE merge_differences AS
WITH live AS (
    SELECT
        title_id,
        business_key,
        row_hash
    FROM analytics_netflix_history
    WHERE is_current
)

SELECT
    coalesce(new.title_id, live.title_id) AS title_id,
    CASE
        WHEN live.title_id IS NULL THEN 'insert'
        WHEN new.title_id IS NULL THEN 'delete'
        ELSE 'update'
    END AS operation,
    new.row_hash IS DISTINCT FROM live.row_hash AS is_content_changed,
    new.staged_by
FROM merge_input AS new
FULL JOIN live ON new.title_id = live.title_id
WHERE new.row_hash IS DISTINCT FROM live.row_hash
    OR (getvariable('by_title') AND new.business_key IS DISTINCT FROM live.business_key);

-- Where the set of tracked columns changed, every hash differs; then the columns themselves say
-- whether a title changed, and new columns are filled into the open version ("fill").
CREATE OR REPLACE TEMP TABLE merge_changes AS
WITH same_but_for_new_columns AS (
    SELECT different.title_id
    FROM merge_differences AS different
    INNER JOIN merge_input AS new ON different.title_id = new.title_id
    INNER JOIN analytics_netflix_history AS old
        ON different.title_id = old.title_id AND old.is_current
    WHERE getvariable('rehash')
        AND different.operation = 'update'
        AND new.business_key = old.business_key
        AND NOT (
            differs(new."type", old."type", 'type')
            OR differs(new.title, old.title, 'title')
            OR differs(new.director, old.director, 'director')
            OR differs(new."cast", old."cast", 'cast')
            OR differs(new.country, old.country, 'country')
            OR differs(new.date_added, old.date_added, 'date_added')
            OR differs(new.release_year, old.release_year, 'release_year')
            OR differs(new.rating, old.rating, 'rating')
            OR differs(new.duration, old.duration, 'duration')
            OR differs(new.listed_in, old.listed_in, 'listed_in')
            OR differs(new.description, old.description, 'description')
        )
),

-- A record that is there but unreadable is no deletion: its key is in the quarantine, or (where
-- the key itself is missing) its title, or its text is among the rejects.
gone AS (
    SELECT
        different.title_id,
        old.business_key,
        old.title
    FROM merge_differences AS different
    INNER JOIN analytics_netflix_history AS old
        ON different.title_id = old.title_id AND old.is_current
    WHERE different.operation = 'delete'
),

unreadable AS (
    SELECT gone.title_id
    FROM gone
    INNER JOIN staging_netflix_quarantine AS quarantine
        ON gone.business_key = quarantine.business_key
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN staging_netflix_quarantine AS quarantine ON gone.title = quarantine.title
    WHERE quarantine.rule LIKE 'missing_%'
        AND list_contains(getvariable('key_columns'), quarantine.column_name)
    UNION
    SELECT gone.title_id
    FROM gone
    INNER JOIN rejected_texts
        ON list_has_all(rejected_texts.words, string_split(gone.business_key, chr(31)))
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
        WHEN same_but_for_new_columns.title_id IS NOT NULL THEN 'fill'
        WHEN ended_before.title_id IS NOT NULL THEN 'reappear'
        ELSE different.operation
    END AS operation,
    different.is_content_changed,
    different.staged_by
FROM merge_differences AS different
LEFT JOIN unreadable ON different.title_id = unreadable.title_id
LEFT JOIN same_but_for_new_columns ON different.title_id = same_but_for_new_columns.title_id
LEFT JOIN ended_before ON different.title_id = ended_before.title_id;
