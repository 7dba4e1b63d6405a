-- What the newest snapshot changed, of a catalogue too large for its titles: at most page_newest.
SELECT
    operation,
    title_id,
    "left"(title, getvariable('page_longest')) AS title,
    column_name,
    "left"(old_value, getvariable('page_longest')) AS old_value,
    "left"(new_value, getvariable('page_longest')) AS new_value
FROM kpi_last_changes
ORDER BY operation DESC, title_id, column_name
LIMIT getvariable('page_newest');
