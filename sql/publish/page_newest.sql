-- At most page_newest changes of the newest snapshot, for a catalogue too large for its titles.
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
