-- Lists what the merges after mirror_since began and ended, to bring it to a mirror.
-- Grain: mirror_begun, mirror_ended one row per title version.
-- Inputs -> outputs: analytics_netflix_history of a published copy, session variable mirror_since
--   -> temp tables mirror_begun and mirror_ended (versions that the mirror has as open).
-- Running it twice is safe: temporary, replaced each time.
CREATE OR REPLACE TEMP TABLE mirror_begun AS
SELECT version_id
FROM analytics_netflix_history
WHERE valid_from > getvariable('mirror_since');

CREATE OR REPLACE TEMP TABLE mirror_ended AS
SELECT version_id
FROM analytics_netflix_history
WHERE valid_from <= getvariable('mirror_since') AND valid_to > getvariable('mirror_since');
