"""The history merge by hand: join keys and hashes, close and insert what differs. No checks.

    python tests/bench/bare_merge.py <warehouse with a newer snapshot staged, not merged>

The yardstick for step 06: the same rows end up in analytics_netflix_history.
"""

import sys

import duckdb


def main(warehouse: str) -> None:
    con = duckdb.connect(warehouse)
    con.execute("SET preserve_insertion_order = false")
    merge(con)
    con.close()


def merge(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("BEGIN")
    con.execute(
        """
        CREATE TEMP TABLE different AS
        SELECT
            coalesce(new.business_key, old.title_id) AS title_id,
            new.business_key IS NOT NULL AS is_there
        FROM staging_netflix_titles AS new
        FULL JOIN (
            SELECT title_id, row_hash FROM analytics_netflix_history WHERE is_current
        ) AS old ON new.business_key = old.title_id
        WHERE new.row_hash IS DISTINCT FROM old.row_hash
        """
    )
    con.execute(
        """
        UPDATE analytics_netflix_history
        SET valid_to = TIMESTAMP '2030-01-01', is_current = false
        FROM different
        WHERE is_current AND analytics_netflix_history.title_id = different.title_id
        """
    )
    con.execute(
        """
        INSERT INTO analytics_netflix_history BY NAME
        SELECT
            md5(business_key) AS version_id, business_key AS title_id, business_key, show_id,
            "type", title, director, "cast", country, date_added, release_year, rating, duration,
            duration_minutes, seasons, listed_in, description, row_hash, repairs, source_line,
            batch_id, 'update' AS operation, TIMESTAMP '2030-01-01' AS valid_from,
            true AS is_current
        FROM staging_netflix_titles
        INNER JOIN different ON business_key = different.title_id
        WHERE different.is_there
        """
    )
    con.execute("COMMIT")
    con.execute("CHECKPOINT")


if __name__ == "__main__":
    main(sys.argv[1])
