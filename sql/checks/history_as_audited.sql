-- No version was changed outside the pipeline since the last audit.
-- broken: A version was changed outside the pipeline since the last audit.
-- severity: error
-- way_out: `make rebuild` replays the snapshots: the history is then what they say.
SELECT
    getvariable('audited_at') AS audited_until,
    'the digest of the versions of then is another one' AS finding
WHERE getvariable('is_history_changed');
