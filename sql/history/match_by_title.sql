-- Gives staged titles their title_id by normalised title, type and release year (CDC_KEY=title).
-- Grain: title_matches one row per staged title with known title_id; merge_input per staged title;
--   ambiguous_candidates per live title that several records could be: it is not changed.
-- Inputs -> outputs: staging_netflix_titles, staging_records, live_titles and its macro,
--   analytics_netflix_history; variables batch_id, snapshot_at, missing_columns -> tables and view.
-- Running it twice is safe: all are replaced. Each pass takes pairs for which there is no other.

CREATE OR REPLACE TEMP MACRO identity_of(title, kind, release_year) AS
    plain_title(title) || '|' || kind || '|' || coalesce(CAST(release_year AS VARCHAR), '');

-- The value as text; NULL for columns that the file lacks.
CREATE OR REPLACE TEMP MACRO as_in_file(value, column_name) AS
    CASE
        WHEN list_contains(getvariable('missing_columns'), column_name) THEN ''
        ELSE coalesce(value, '')
    END;

-- Pass 1: the same content under the same key, which is nearly all of them.
CREATE OR REPLACE TEMP TABLE title_matches AS
SELECT
    staged.business_key,
    min(live.title_id) AS title_id
FROM staging_netflix_titles AS staged
INNER JOIN live_titles AS live
    ON staged.business_key = live.business_key AND staged.row_hash = live.row_hash
GROUP BY staged.business_key;

CREATE OR REPLACE TEMP TABLE staged_titles AS
SELECT
    business_key,
    row_hash,
    identity_of(title, "type", release_year) AS identity,
    as_in_file(director, 'director') || '|' || as_in_file("cast", 'cast') AS people,
    as_in_file(description, 'description') AS description
FROM staging_netflix_titles AS staged
WHERE NOT EXISTS (
    SELECT 1 FROM title_matches WHERE title_matches.business_key = staged.business_key
);

CREATE OR REPLACE TEMP TABLE known_titles AS
WITH numbered AS (
    SELECT
        title_id,
        business_key,
        title,
        "type",
        release_year,
        director,
        "cast",
        description,
        is_current,
        row_number() OVER (PARTITION BY title_id ORDER BY valid_from DESC) AS age
    FROM analytics_netflix_history AS history
    WHERE NOT EXISTS (
        SELECT 1 FROM title_matches WHERE title_matches.title_id = history.title_id
    )
)

SELECT
    numbered.title_id,
    numbered.business_key,
    live.row_hash,
    identity_of(numbered.title, numbered."type", numbered.release_year) AS identity,
    as_in_file(numbered.director, 'director') || '|' || as_in_file(numbered."cast", 'cast')
        AS people,
    as_in_file(numbered.description, 'description') AS description,
    numbered.title,
    numbered.is_current
FROM numbered
LEFT JOIN live_titles AS live ON numbered.title_id = live.title_id
WHERE numbered.age = 1;

-- The titles that are not matched yet.
CREATE OR REPLACE TEMP VIEW open_staged AS
SELECT
    staged.business_key,
    staged.row_hash,
    staged.identity,
    staged.people,
    staged.description
FROM staged_titles AS staged
WHERE NOT EXISTS (
    SELECT 1 FROM title_matches WHERE title_matches.business_key = staged.business_key
);

CREATE OR REPLACE TEMP VIEW open_known AS
SELECT
    known.title_id,
    known.business_key,
    known.row_hash,
    known.identity,
    known.people,
    known.description,
    known.title,
    known.is_current
FROM known_titles AS known
WHERE NOT EXISTS (
    SELECT 1 FROM title_matches WHERE title_matches.title_id = known.title_id
);

-- Pass 2: the same content. Twins are paired one to one, as any pairing gives the same content.
INSERT INTO title_matches
SELECT
    staged.business_key,
    known.title_id
FROM (
    SELECT
        business_key,
        identity,
        row_hash,
        row_number() OVER (PARTITION BY identity, row_hash ORDER BY business_key) AS place
    FROM open_staged
) AS staged
INNER JOIN (
    SELECT
        title_id,
        identity,
        row_hash,
        row_number() OVER (PARTITION BY identity, row_hash ORDER BY title_id) AS place
    FROM open_known
    WHERE is_current
) AS known
    ON staged.identity = known.identity
    AND staged.row_hash = known.row_hash
    AND staged.place = known.place;

-- Pass 3: nothing changed that tells titles apart.
INSERT INTO title_matches
SELECT
    staged.business_key,
    any_value(known.title_id) AS title_id
FROM open_staged AS staged
INNER JOIN open_known AS known
    ON staged.business_key = known.business_key
    AND staged.identity = known.identity
    AND staged.people = known.people
WHERE known.is_current
GROUP BY staged.business_key
HAVING count(*) = 1;

-- Pass 4: the only live title of that identity with these people.
INSERT INTO title_matches
SELECT
    any_value(staged.business_key) AS business_key,
    any_value(known.title_id) AS title_id
FROM open_staged AS staged
INNER JOIN open_known AS known
    ON staged.identity = known.identity AND staged.people = known.people
WHERE known.is_current
GROUP BY staged.identity, staged.people
HAVING count(*) = 1;

-- Pass 5: the only live title of that identity.
INSERT INTO title_matches
SELECT
    any_value(staged.business_key) AS business_key,
    any_value(known.title_id) AS title_id
FROM open_staged AS staged
INNER JOIN open_known AS known ON staged.identity = known.identity
WHERE known.is_current
GROUP BY staged.identity
HAVING count(*) = 1;

-- Pass 6: title or year were corrected under the same key; people or description are the same. Two
-- live titles can have that key, as a title that was carried forward keeps its old one.
INSERT INTO title_matches
SELECT
    staged.business_key,
    any_value(known.title_id) AS title_id
FROM open_staged AS staged
INNER JOIN open_known AS known ON staged.business_key = known.business_key
WHERE known.is_current
    AND (
        (staged.people = known.people AND staged.people <> '|')
        OR (staged.description = known.description AND staged.description <> '')
    )
GROUP BY staged.business_key
HAVING count(*) = 1;

-- Pass 7: a title that was gone and is back.
INSERT INTO title_matches
SELECT
    any_value(staged.business_key) AS business_key,
    any_value(known.title_id) AS title_id
FROM open_staged AS staged
INNER JOIN open_known AS known ON staged.identity = known.identity
WHERE NOT known.is_current
    AND NOT EXISTS (
        SELECT 1 FROM open_known AS live WHERE live.is_current AND live.identity = staged.identity
    )
GROUP BY staged.identity
HAVING count(*) = 1;

-- Several records could be one live title, or several live titles one record.
CREATE OR REPLACE TEMP TABLE ambiguous_candidates AS
SELECT
    known.title_id,
    staged.business_key,
    known.title
FROM open_staged AS staged
INNER JOIN open_known AS known ON staged.identity = known.identity
WHERE known.is_current;

CREATE OR REPLACE TEMP VIEW merge_input AS
SELECT
    coalesce(
        matches.title_id,
        't' || substr(
            md5(staged.business_key || '|' || CAST(getvariable('snapshot_at') AS VARCHAR)), 1, 16
        )
    ) AS title_id,
    staged.business_key,
    staged."column",  -- each stored column
    staged.row_hash,
    staged.repairs,
    staged.source_line,
    getvariable('batch_id') AS batch_id,
    staged.batch_id AS staged_by
FROM staging_records AS staged
LEFT JOIN title_matches AS matches ON staged.business_key = matches.business_key
WHERE staged.is_staged
    AND NOT EXISTS (
        SELECT 1 FROM ambiguous_candidates
        WHERE ambiguous_candidates.business_key = staged.business_key
    );
