-- No snapshot is left out of the history: accept one that is (its 12 last signs), or withdraw it.
-- broken: A snapshot is left out: accept it (its 12 last signs), or withdraw it.
-- severity: warn
SELECT refused.batch_id
FROM (
    SELECT unnest(string_split(getvariable('left_out'), ' ')) AS batch_id
) AS refused
WHERE refused.batch_id <> '';
