-- No snapshot is left out of the history.
-- broken: A snapshot was refused, and is left out of the history until it is accepted or withdrawn.
-- severity: warn
-- way_out: `make run-all ACCEPT=` its last 12 digits, or `make withdraw BATCH=` the whole batch_id.
SELECT refused.batch_id
FROM (
    SELECT unnest(string_split(getvariable('left_out'), ' ')) AS batch_id
) AS refused
WHERE refused.batch_id <> '';
