ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `version_id` STRING;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `title` STRING;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `release_year` INT64;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `score` FLOAT64;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `date_added` DATE;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `valid_from` TIMESTAMP;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `valid_to` TIMESTAMP;

ALTER TABLE `my-project.titles.analytics_netflix_history` ADD COLUMN IF NOT EXISTS `is_current` BOOL;

CREATE OR REPLACE VIEW `my-project.titles.analytics_netflix_current` AS SELECT * FROM `my-project.titles.analytics_netflix_history` WHERE `is_current`;

CREATE OR REPLACE VIEW `my-project.titles.dim_title` AS SELECT `version_id` AS `title_key`, * FROM `my-project.titles.analytics_netflix_history`;

CREATE TABLE IF NOT EXISTS `my-project.titles.dim_genre` (`genre_key` INT64, `genre` STRING);

CREATE OR REPLACE TABLE `my-project.titles.mirror_in_analytics_netflix_history` (`version_id` STRING, `title` STRING, `release_year` INT64, `score` FLOAT64, `date_added` DATE, `valid_from` TIMESTAMP, `valid_to` TIMESTAMP, `is_current` BOOL);

-- load job: PARQUET, /tmp/mirror/analytics_netflix_history.parquet -> mirror_in_analytics_netflix_history;

CREATE OR REPLACE TABLE `my-project.titles.mirror_in_bridge_title_genre` (`title_key` STRING, `weight` FLOAT64);

-- load job: PARQUET, /tmp/mirror/bridge_title_genre.parquet -> mirror_in_bridge_title_genre;

CREATE OR REPLACE TABLE `my-project.titles.mirror_in_dim_genre` (`genre_key` INT64, `genre` STRING);

-- load job: PARQUET, /tmp/mirror/dim_genre.parquet -> mirror_in_dim_genre;

BEGIN TRANSACTION;

MERGE INTO `my-project.titles.analytics_netflix_history` AS t
USING `my-project.titles.mirror_in_analytics_netflix_history` AS s
ON t.`version_id` = s.`version_id`
WHEN MATCHED THEN UPDATE SET `version_id` = s.`version_id`, `title` = s.`title`, `release_year` = s.`release_year`, `score` = s.`score`, `date_added` = s.`date_added`, `valid_from` = s.`valid_from`, `valid_to` = s.`valid_to`, `is_current` = s.`is_current`
WHEN NOT MATCHED THEN INSERT (`version_id`, `title`, `release_year`, `score`, `date_added`, `valid_from`, `valid_to`, `is_current`) VALUES (s.`version_id`, s.`title`, s.`release_year`, s.`score`, s.`date_added`, s.`valid_from`, s.`valid_to`, s.`is_current`);

INSERT INTO `my-project.titles.bridge_title_genre` (`title_key`, `weight`)
SELECT `title_key`, `weight` FROM `my-project.titles.mirror_in_bridge_title_genre`;

DELETE FROM `my-project.titles.dim_genre` WHERE TRUE;

INSERT INTO `my-project.titles.dim_genre` (`genre_key`, `genre`)
SELECT `genre_key`, `genre` FROM `my-project.titles.mirror_in_dim_genre`;

SELECT 'analytics_netflix_history' AS `table_name`, COUNT(*) AS `row_count`, COALESCE(SUM(CAST(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(COALESCE(`version_id`, '␀') || '␟' || COALESCE(`title`, '␀') || '␟' || COALESCE(CAST(`release_year` AS STRING), '␀') || '␟' || COALESCE(CAST(CAST(ROUND(`score` * 1000000) AS INT64) AS STRING), '␀') || '␟' || COALESCE(CAST(`date_added` AS STRING), '␀') || '␟' || COALESCE(CAST(UNIX_MICROS(`valid_from`) AS STRING), '␀') || '␟' || COALESCE(CAST(UNIX_MICROS(`valid_to`) AS STRING), '␀') || '␟' || COALESCE(CAST(`is_current` AS STRING), '␀'))), 1, 15)) AS INT64) AS NUMERIC)), 0) AS `digest` FROM `my-project.titles.analytics_netflix_history`
UNION ALL
SELECT 'bridge_title_genre' AS `table_name`, COUNT(*) AS `row_count`, COALESCE(SUM(CAST(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(COALESCE(`title_key`, '␀') || '␟' || COALESCE(CAST(CAST(ROUND(`weight` * 1000000) AS INT64) AS STRING), '␀'))), 1, 15)) AS INT64) AS NUMERIC)), 0) AS `digest` FROM `my-project.titles.bridge_title_genre`
UNION ALL
SELECT 'dim_genre' AS `table_name`, COUNT(*) AS `row_count`, COALESCE(SUM(CAST(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(COALESCE(CAST(`genre_key` AS STRING), '␀') || '␟' || COALESCE(`genre`, '␀'))), 1, 15)) AS INT64) AS NUMERIC)), 0) AS `digest` FROM `my-project.titles.dim_genre`
UNION ALL
SELECT 'dim_rating' AS `table_name`, COUNT(*) AS `row_count`, COALESCE(SUM(CAST(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(COALESCE(`rating`, '␀'))), 1, 15)) AS INT64) AS NUMERIC)), 0) AS `digest` FROM `my-project.titles.dim_rating`;

MERGE INTO `my-project.titles.mirror_tables` AS t
USING (
SELECT '*' AS `table_name`, '20200118T000000Z-7df8166ec178-1' AS `version`, '2020-01-18 00:00:00' AS `since`, 0 AS `rows`, '0' AS `digest`, '' AS `columns`
UNION ALL
SELECT 'analytics_netflix_history' AS `table_name`, '20200118T000000Z-7df8166ec178-1' AS `version`, '2020-01-18 00:00:00' AS `since`, 10 AS `rows`, '70' AS `digest`, 'columns of analytics_netflix_history' AS `columns`
UNION ALL
SELECT 'bridge_title_genre' AS `table_name`, '20200118T000000Z-7df8166ec178-1' AS `version`, '2020-01-18 00:00:00' AS `since`, 10 AS `rows`, '70' AS `digest`, 'columns of bridge_title_genre' AS `columns`
UNION ALL
SELECT 'dim_genre' AS `table_name`, '20200118T000000Z-7df8166ec178-1' AS `version`, '2020-01-18 00:00:00' AS `since`, 10 AS `rows`, '70' AS `digest`, 'columns of dim_genre' AS `columns`
UNION ALL
SELECT 'dim_rating' AS `table_name`, '20200118T000000Z-7df8166ec178-1' AS `version`, '2020-01-18 00:00:00' AS `since`, 10 AS `rows`, '70' AS `digest`, 'columns of dim_rating' AS `columns`
) AS s
ON t.`table_name` = s.`table_name`
WHEN MATCHED THEN UPDATE SET `version` = s.`version`, `since` = s.`since`, `rows` = s.`rows`, `digest` = s.`digest`, `columns` = s.`columns`
WHEN NOT MATCHED THEN INSERT (`table_name`, `version`, `since`, `rows`, `digest`, `columns`) VALUES (s.`table_name`, s.`version`, s.`since`, s.`rows`, s.`digest`, s.`columns`);

COMMIT TRANSACTION;
