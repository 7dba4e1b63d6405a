-- The hash of what a record says in some columns; two records of one hash say the same in them.
-- Grain: none; scalar functions of one record.
-- Inputs -> outputs: none -> temp macros.
-- Running it twice is safe: it replaces the functions.

-- Name, length and value, so that neither NULL and '' nor a separator in a value can be mistaken;
-- nothing for NULL, so that a column that is empty everywhere adds nothing.
CREATE OR REPLACE TEMP MACRO hash_part(value, column_name, hashed_columns) AS
    CASE
        WHEN list_contains(hashed_columns, column_name)
            THEN column_name || '=' || length(value) || ':' || value || ';'
    END;

CREATE OR REPLACE TEMP MACRO content_hash(
    hashed_columns, show_id, kind, title, director, people, country, date_added, release_year,
    rating, duration, listed_in, description
) AS
    concat('v1:', md5(concat_ws(
        '',
        hash_part(show_id, 'show_id', hashed_columns),
        hash_part(kind, 'type', hashed_columns),
        hash_part(title, 'title', hashed_columns),
        hash_part(director, 'director', hashed_columns),
        hash_part(people, 'cast', hashed_columns),
        hash_part(country, 'country', hashed_columns),
        hash_part(CAST(date_added AS VARCHAR), 'date_added', hashed_columns),
        hash_part(CAST(release_year AS VARCHAR), 'release_year', hashed_columns),
        hash_part(rating, 'rating', hashed_columns),
        hash_part(duration, 'duration', hashed_columns),
        hash_part(listed_in, 'listed_in', hashed_columns),
        hash_part(description, 'description', hashed_columns)
    )));
