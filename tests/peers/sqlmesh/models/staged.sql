MODEL (
  name peer.staged,
  kind FULL,
  cron '@daily',
  audits (not_null(columns := (show_id)), unique_values(columns := (show_id)))
);

SELECT
  show_id::TEXT,
  type::TEXT,
  title::TEXT,
  director::TEXT,
  "cast"::TEXT AS cast_members,
  country::TEXT,
  date_added::TEXT,
  release_year::TEXT,
  rating::TEXT,
  duration::TEXT,
  listed_in::TEXT,
  description::TEXT
FROM READ_CSV('titles.csv', header = TRUE, all_varchar = TRUE)
