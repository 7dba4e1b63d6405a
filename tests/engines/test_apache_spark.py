"""What is Apache Spark's own: its catalogue outlives the server."""

from datetime import datetime

import on_apache
import pytest
from both import side_by_side
from conftest import catalogue, title

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
MANY = [title(number) for number in range(1, 21)]


def test_the_next_night_finds_the_tables_of_a_server_that_was_restarted(tmp_path):
    both = None
    for day, records in (("2021-01-01", MANY), ("2021-01-02", [title(1, rating="R"), *MANY[2:]])):
        with on_apache.serving(tmp_path) as settings_in:
            both = both or side_by_side(tmp_path, settings_in)
            both.other.settings |= settings_in(both.other.root)  # another port
            both.run(catalogue(*records), day)
            both.assert_equal()
            assert both.other.query("SELECT max(snapshot_at) FROM ops_merges") == [
                (datetime.fromisoformat(day),)
            ]
