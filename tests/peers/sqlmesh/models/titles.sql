MODEL (
  name peer.titles,
  kind SCD_TYPE_2_BY_COLUMN (
    unique_key show_id,
    columns [type, title, director, cast_members, country, date_added, release_year, rating, duration, listed_in, description],
    invalidate_hard_deletes TRUE
  ),
  cron '@daily'
);

SELECT
  show_id,
  type,
  title,
  director,
  cast_members,
  country,
  date_added,
  release_year,
  rating,
  duration,
  listed_in,
  description
FROM peer.staged
