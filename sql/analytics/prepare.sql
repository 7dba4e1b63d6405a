-- Prepares the dimensions: splits lists, and collects the country names to look up.
-- Grain: catalog_countries one row per country name.
-- Inputs -> outputs: analytics_netflix_history -> temp table catalog_countries, temp macros
--   list_members, date_key, month_name and day_name.
-- Running it twice is safe: temporary, replaced each time.

-- The members of a cleaned list, each once, in the order of their first mention. Two titles of the
-- real file name an actor twice; a weight for each mention would count the title twice.
CREATE OR REPLACE TEMP MACRO list_members(value) AS
    CASE
        WHEN len(list_distinct(string_split(value, ', '))) = len(string_split(value, ', '))
            THEN string_split(value, ', ')
        ELSE list_filter(
            string_split(value, ', '),
            lambda member, place:
                list_position(string_split(value, ', '), member) = place
        )
    END;

CREATE OR REPLACE TEMP MACRO date_key(day_date) AS
    coalesce(
        CAST(year(day_date) * 10000 + month(day_date) * 100 + day(day_date) AS INTEGER), 0
    );

-- English names in any language of the engine.
CREATE OR REPLACE TEMP MACRO month_name(day_date) AS
    split_part(
        'January February March April May June July August September October November December',
        ' ',
        CAST(month(day_date) AS INTEGER)
    );

CREATE OR REPLACE TEMP MACRO day_name(day_date) AS
    split_part(
        'Monday Tuesday Wednesday Thursday Friday Saturday Sunday',
        ' ',
        CAST(isodow(day_date) AS INTEGER)
    );

-- Each list of countries is split once, even if many versions have it.
CREATE OR REPLACE TEMP TABLE catalog_countries AS
WITH lists AS (
    SELECT
        country,
        min(valid_from) AS first_seen_at,
        count(*) AS versions
    FROM analytics_netflix_history
    GROUP BY country
),

named AS (
    SELECT
        unnest(string_split(country, ', ')) AS country,
        first_seen_at,
        versions
    FROM lists
)

SELECT
    country,
    min(first_seen_at) AS first_seen_at,
    CAST(sum(versions) AS BIGINT) AS versions
FROM named
GROUP BY country;
