-- Defines two questions to the history: the catalogue at a time, and the changes between two.
-- Grain: catalog_as_of one row per title of that moment; changes_between one row per change.
-- Inputs -> outputs: analytics_netflix_history, cdc_netflix_changes -> two macros.
-- Running it twice is safe: macros are replaced. The published copy has them, too.

-- The catalogue as it was at a time:
--   SELECT count(*) FROM catalog_as_of(TIMESTAMP '2020-01-01 00:00:00');
CREATE OR REPLACE MACRO catalog_as_of(moment) AS TABLE
SELECT
    title_id,
    "column",  -- each stored column
    version_id,
    valid_from,
    valid_to
FROM analytics_netflix_history
WHERE valid_from <= moment AND (valid_to IS NULL OR valid_to > moment);

-- What changed after one time, up to and including another:
--   FROM changes_between(TIMESTAMP '2019-11-30 00:00:00', TIMESTAMP '2020-01-18 00:00:00');
CREATE OR REPLACE MACRO changes_between(after_moment, up_to_moment) AS TABLE
SELECT
    batch_id,
    changed_at,
    title_id,
    operation,
    column_name,
    old_value,
    new_value
FROM cdc_netflix_changes
WHERE changed_at > after_moment AND changed_at <= up_to_moment;
