-- Creates the KPIs of the current catalogue, each a view over the star schema.
-- Grain: as each view's comment says. A title counts once in totals, and once in the row of each of
--   its countries, genres and people; weighted_titles shares it out and sums to the total.
-- Inputs -> outputs: the star schema, its sums, ops_merges -> the twelve kpi_ views.
-- Running it twice is safe: views are replaced; they hold no data.

CREATE OR REPLACE VIEW kpi_movies_vs_tv AS
SELECT
    "type",
    count(*) AS titles,
    round(CAST(100 AS DOUBLE) * count(*) / sum(count(*)) OVER (), 2) AS share_pct
FROM fact_title_catalog
WHERE is_current
GROUP BY "type"
ORDER BY titles DESC, "type";

COMMENT ON VIEW kpi_movies_vs_tv IS 'Movies and TV shows in the catalogue: one row per type.';
COMMENT ON COLUMN kpi_movies_vs_tv."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN kpi_movies_vs_tv.titles IS 'Titles of the type.';
COMMENT ON COLUMN kpi_movies_vs_tv.share_pct IS 'Per cent of all titles, 2 digits.';

CREATE OR REPLACE VIEW kpi_titles_by_year AS
WITH counted AS (
    SELECT
        release_year,
        "type",
        count(*) AS titles
    FROM fact_title_catalog
    WHERE is_current
    GROUP BY release_year, "type"
),

years AS (
    SELECT
        release_year,
        count(*) AS titles
    FROM fact_title_catalog
    WHERE is_current AND release_year IS NOT NULL
    GROUP BY release_year
)

SELECT
    counted.release_year,
    counted."type",
    counted.titles,
    CAST(
        sum(counted.titles) OVER (PARTITION BY counted.release_year) AS BIGINT
    ) AS total_titles,
    round(
        CAST(100 AS DOUBLE) * (years.titles - earlier.titles) / earlier.titles, 1
    ) AS total_growth_pct
FROM counted
LEFT JOIN years ON counted.release_year = years.release_year
LEFT JOIN years AS earlier ON counted.release_year = earlier.release_year + 1
ORDER BY counted.release_year, counted."type";

COMMENT ON VIEW kpi_titles_by_year IS 'Titles by year of release: one row per year and type.';
COMMENT ON COLUMN kpi_titles_by_year.release_year IS 'Year of release; NULL is not known.';
COMMENT ON COLUMN kpi_titles_by_year."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN kpi_titles_by_year.titles IS 'Titles of the type released that year.';
COMMENT ON COLUMN kpi_titles_by_year.total_titles IS 'Titles of both types released that year.';
COMMENT ON COLUMN kpi_titles_by_year.total_growth_pct IS
    'Growth of total_titles against the year before, per cent, 1 digit; NULL if that has no title.';

CREATE OR REPLACE VIEW kpi_titles_by_country AS
SELECT
    coalesce(countries.country, 'Unknown') AS country,
    countries.iso_alpha2,
    countries.iso_alpha3,
    countries.iso_numeric,
    CAST(sum(sums.titles) AS BIGINT) AS titles,
    round(sum(CAST(sums.titles AS DOUBLE) / sums.member_count), 4) AS weighted_titles
FROM sums_title_country AS sums
LEFT JOIN dim_country AS countries ON sums.country_key = countries.country_key
GROUP BY
    coalesce(countries.country, 'Unknown'),
    countries.iso_alpha2,
    countries.iso_alpha3,
    countries.iso_numeric
ORDER BY titles DESC, country;

COMMENT ON VIEW kpi_titles_by_country IS
    'Titles by country of production: one row per country; Unknown is titles without one.';
COMMENT ON COLUMN kpi_titles_by_country.country IS 'Country, or Unknown.';
COMMENT ON COLUMN kpi_titles_by_country.iso_alpha2 IS 'ISO 3166 two-letter code; NULL has none.';
COMMENT ON COLUMN kpi_titles_by_country.iso_alpha3 IS 'ISO 3166 three-letter code.';
COMMENT ON COLUMN kpi_titles_by_country.iso_numeric IS 'ISO 3166 number, three digits, as text.';
COMMENT ON COLUMN kpi_titles_by_country.titles IS
    'Titles that name the country; a title of three countries counts in three rows.';
COMMENT ON COLUMN kpi_titles_by_country.weighted_titles IS
    'Titles shared out among their countries: sums to all titles.';

CREATE OR REPLACE VIEW kpi_titles_by_rating AS
SELECT
    ratings.rating,
    ratings.audience,
    ratings.rating_order,
    count(*) AS titles
FROM fact_title_catalog AS facts
INNER JOIN dim_rating AS ratings ON facts.rating_key = ratings.rating_key
WHERE facts.is_current
GROUP BY ratings.rating, ratings.audience, ratings.rating_order
ORDER BY ratings.rating_order, ratings.rating;

COMMENT ON VIEW kpi_titles_by_rating IS 'Titles by age rating: one row per rating that is used.';
COMMENT ON COLUMN kpi_titles_by_rating.rating IS 'Age rating, or Unknown.';
COMMENT ON COLUMN kpi_titles_by_rating.audience IS 'kids, older kids, teens, adults or unrated.';
COMMENT ON COLUMN kpi_titles_by_rating.rating_order IS 'Sort order, youngest audience first.';
COMMENT ON COLUMN kpi_titles_by_rating.titles IS 'Titles with the rating.';

CREATE OR REPLACE VIEW kpi_top_genres AS
SELECT
    coalesce(genres.genre, 'Unknown') AS genre,
    CAST(sum(sums.titles) AS BIGINT) AS titles,
    round(sum(CAST(sums.titles AS DOUBLE) / sums.member_count), 4) AS weighted_titles
FROM sums_title_genre AS sums
LEFT JOIN dim_genre AS genres ON sums.genre_key = genres.genre_key
GROUP BY coalesce(genres.genre, 'Unknown')
ORDER BY titles DESC, genre;

COMMENT ON VIEW kpi_top_genres IS
    'Titles by genre, the largest first: one row per genre; Unknown is titles without one.';
COMMENT ON COLUMN kpi_top_genres.genre IS 'Genre, or Unknown.';
COMMENT ON COLUMN kpi_top_genres.titles IS
    'Titles in the genre; a title of three genres counts in three rows.';
COMMENT ON COLUMN kpi_top_genres.weighted_titles IS
    'Titles shared out among their genres: sums to all titles.';

CREATE OR REPLACE VIEW kpi_genres_over_time AS
SELECT
    sums.year_added,
    coalesce(genres.genre, 'Unknown') AS genre,
    CAST(sum(sums.titles) AS BIGINT) AS titles
FROM sums_title_genre AS sums
LEFT JOIN dim_genre AS genres ON sums.genre_key = genres.genre_key
GROUP BY sums.year_added, coalesce(genres.genre, 'Unknown')
ORDER BY year_added, genre;

COMMENT ON VIEW kpi_genres_over_time IS
    'Titles by genre and the year they were added in: one row per year and genre.';
COMMENT ON COLUMN kpi_genres_over_time.year_added IS 'Year added; NULL is not known.';
COMMENT ON COLUMN kpi_genres_over_time.genre IS 'Genre, or Unknown.';
COMMENT ON COLUMN kpi_genres_over_time.titles IS 'Titles of the genre added that year.';

-- The window ends where 99.9 % of the titles with a date were added: the real catalogue of 2021 has
-- two that say 2024, and a year up to them would hold nothing else.
CREATE OR REPLACE VIEW kpi_country_recent_growth AS
WITH days AS (
    SELECT
        dates.full_date,
        count(*) AS titles
    FROM fact_title_catalog AS facts
    INNER JOIN dim_date AS dates ON facts.date_added_key = dates.date_key
    WHERE facts.is_current AND dates.full_date IS NOT NULL
    GROUP BY dates.full_date
),

reached AS (
    SELECT
        full_date,
        sum(titles) OVER (ORDER BY full_date) AS titles_until,
        sum(titles) OVER () AS titles
    FROM days
),

newest AS (
    SELECT min(full_date) AS last_date
    FROM reached
    WHERE titles_until >= 0.999 * titles
),

added AS (
    SELECT
        coalesce(countries.country, 'Unknown') AS country,
        CASE WHEN dates.full_date > newest.last_date - INTERVAL 12 MONTH THEN sums.titles ELSE 0 END
            AS recent_titles,
        sums.titles
    FROM sums_title_country AS sums
    INNER JOIN dim_date AS dates ON sums.date_added_key = dates.date_key
    INNER JOIN newest ON dates.full_date > newest.last_date - INTERVAL 24 MONTH
    LEFT JOIN dim_country AS countries ON sums.country_key = countries.country_key
),

counted AS (
    SELECT
        country,
        CAST(sum(recent_titles) AS BIGINT) AS recent_titles,
        CAST(sum(titles - recent_titles) AS BIGINT) AS earlier_titles
    FROM added
    GROUP BY country
)

SELECT
    country,
    recent_titles,
    earlier_titles,
    round(
        CAST(100 AS DOUBLE) * (recent_titles - earlier_titles) / nullif(earlier_titles, 0), 1
    ) AS growth_pct
FROM counted
ORDER BY recent_titles DESC, country;

COMMENT ON VIEW kpi_country_recent_growth IS
    'Recently added titles by country: one row per country; titles without a date are left out.';
COMMENT ON COLUMN kpi_country_recent_growth.country IS 'Country, or Unknown.';
COMMENT ON COLUMN kpi_country_recent_growth.recent_titles IS
    'Added in the 12 months up to the day until which 99.9 % of the titles were, or since.';
COMMENT ON COLUMN kpi_country_recent_growth.earlier_titles IS 'Added in the 12 months before.';
COMMENT ON COLUMN kpi_country_recent_growth.growth_pct IS
    'Growth in per cent, 1 digit; NULL if nothing was added before.';

CREATE OR REPLACE VIEW kpi_catalog_changes AS
SELECT
    batch_id,
    snapshot_at,
    inserted,
    reappeared,
    updated,
    deleted,
    unchanged,
    filled,
    carried,
    current_rows AS current_titles
FROM ops_merges
ORDER BY snapshot_at;

COMMENT ON VIEW kpi_catalog_changes IS 'What each snapshot changed: one row per merged snapshot.';
COMMENT ON COLUMN kpi_catalog_changes.batch_id IS 'The snapshot.';
COMMENT ON COLUMN kpi_catalog_changes.snapshot_at IS 'Time (UTC) of the snapshot.';
COMMENT ON COLUMN kpi_catalog_changes.inserted IS 'Titles that were never there before.';
COMMENT ON COLUMN kpi_catalog_changes.reappeared IS 'Titles that were gone and came back.';
COMMENT ON COLUMN kpi_catalog_changes.updated IS 'Titles with a changed value.';
COMMENT ON COLUMN kpi_catalog_changes.filled IS
    'Titles of which only values in a column that the previous file lacked are new.';
COMMENT ON COLUMN kpi_catalog_changes.deleted IS 'Titles that are gone.';
COMMENT ON COLUMN kpi_catalog_changes.unchanged IS 'Titles that did not change.';
COMMENT ON COLUMN kpi_catalog_changes.carried IS
    'Titles that stayed because their record could not be read.';
COMMENT ON COLUMN kpi_catalog_changes.current_titles IS 'Titles in the catalogue afterwards.';

-- No row if there is only one snapshot: then all titles are new.
CREATE OR REPLACE VIEW kpi_last_changes AS
WITH newest AS (
    SELECT max(snapshot_at) AS snapshot_at
    FROM ops_merges
    HAVING count(*) > 1
),

-- A title has one name here, that of its last version.
changed AS (
    SELECT
        history.title_id,
        arg_max(history.title, history.valid_from) AS title
    FROM analytics_netflix_history AS history
    CROSS JOIN newest
    WHERE history.valid_from = newest.snapshot_at OR history.valid_to = newest.snapshot_at
    GROUP BY history.title_id
)

SELECT
    changes.operation,
    changes.title_id,
    changed.title,
    changes.column_name,
    changes.old_value,
    changes.new_value
FROM cdc_netflix_changes AS changes
INNER JOIN newest ON changes.changed_at = newest.snapshot_at
INNER JOIN changed ON changes.title_id = changed.title_id
ORDER BY changes.operation, changed.title, changes.title_id, changes.column_name;

COMMENT ON VIEW kpi_last_changes IS
    'What the newest snapshot changed: a row per changed column, and per title that came or went.';
COMMENT ON COLUMN kpi_last_changes.operation IS
    'insert, reappear, update, fill or delete.';
COMMENT ON COLUMN kpi_last_changes.title_id IS 'The title, in dim_title and in the history.';
COMMENT ON COLUMN kpi_last_changes.title IS 'Name of the title, the last one it had.';
COMMENT ON COLUMN kpi_last_changes.column_name IS
    'The column that changed; NULL if a title came or went.';
COMMENT ON COLUMN kpi_last_changes.old_value IS 'Value before, as text.';
COMMENT ON COLUMN kpi_last_changes.new_value IS 'Value after, as text.';

CREATE OR REPLACE VIEW kpi_additions_by_month AS
WITH added AS (
    SELECT
        dates.month_start_date AS "month",
        facts."type"
    FROM fact_title_catalog AS facts
    INNER JOIN dim_date AS dates ON facts.date_added_key = dates.date_key
    WHERE facts.is_current
)

SELECT
    "month",
    "type",
    count(*) AS titles
FROM added
GROUP BY "month", "type"
ORDER BY "month", "type";

COMMENT ON VIEW kpi_additions_by_month IS
    'Titles by the month they were added in: one row per month and type.';
COMMENT ON COLUMN kpi_additions_by_month."month" IS 'First day of the month; NULL is not known.';
COMMENT ON COLUMN kpi_additions_by_month."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN kpi_additions_by_month.titles IS 'Titles of the type added that month.';

CREATE OR REPLACE VIEW kpi_duration_by_type AS
WITH measured AS (
    SELECT
        "type",
        CASE
            WHEN duration_minutes IS NOT NULL THEN 'minutes'
            WHEN seasons IS NOT NULL THEN 'seasons'
            ELSE 'unknown'
        END AS unit,
        coalesce(duration_minutes, seasons) AS duration
    FROM fact_title_catalog
    WHERE is_current
)

SELECT
    "type",
    unit,
    count(*) AS titles,
    min(duration) AS minimum,
    median(duration) AS median,
    round(avg(duration), 2) AS mean,
    max(duration) AS maximum
FROM measured
GROUP BY "type", unit
ORDER BY "type", unit;

COMMENT ON VIEW kpi_duration_by_type IS
    'How long titles are: one row per type and unit; unit unknown are titles without a duration.';
COMMENT ON COLUMN kpi_duration_by_type."type" IS 'Movie or TV Show.';
COMMENT ON COLUMN kpi_duration_by_type.unit IS 'minutes, seasons or unknown.';
COMMENT ON COLUMN kpi_duration_by_type.titles IS 'Titles measured in the unit.';
COMMENT ON COLUMN kpi_duration_by_type.minimum IS 'The shortest.';
COMMENT ON COLUMN kpi_duration_by_type.median IS 'Half of the titles are no longer than this.';
COMMENT ON COLUMN kpi_duration_by_type.mean IS 'Arithmetic mean, 2 digits.';
COMMENT ON COLUMN kpi_duration_by_type.maximum IS 'The longest.';

-- Only people with at least as many titles as the hundredth are sorted.
CREATE OR REPLACE VIEW kpi_top_people AS
WITH counted AS (
    SELECT
        role,
        titles,
        count(*) AS people
    FROM sums_title_person
    GROUP BY role, titles
),

reached AS (
    SELECT
        role,
        titles,
        sum(people) OVER (PARTITION BY role ORDER BY titles DESC) - people AS people_before
    FROM counted
),

fewest AS (
    SELECT
        role,
        min(titles) AS titles
    FROM reached
    WHERE people_before < 100
    GROUP BY role
),

ranked AS (
    SELECT
        people.person,
        sums.role,
        sums.titles,
        row_number() OVER (
            PARTITION BY sums.role ORDER BY sums.titles DESC, people.person
        ) AS place
    FROM sums_title_person AS sums
    INNER JOIN fewest ON sums.role = fewest.role AND sums.titles >= fewest.titles
    INNER JOIN dim_person AS people ON sums.person_key = people.person_key
)

SELECT
    person,
    role,
    titles
FROM ranked
WHERE place <= 100
ORDER BY role, titles DESC, person;

COMMENT ON VIEW kpi_top_people IS
    'The 100 people of each role with the most titles: one row per person and role.';
COMMENT ON COLUMN kpi_top_people.person IS 'Name; two people of the same name are one.';
COMMENT ON COLUMN kpi_top_people.role IS 'cast or director.';
COMMENT ON COLUMN kpi_top_people.titles IS 'Titles of the person in the role.';
