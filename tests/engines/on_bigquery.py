"""BigQuery for the tests: its own client, and bqemulator in an environment of its own.

What bqemulator cannot show: types that BigQuery does not convert by itself, times, costs, quotas,
and jobs that are tried again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import served


@contextmanager
def started() -> Iterator[Callable[[Path], dict[str, str]]]:
    """A server; gives the settings of a warehouse in a dataset named as a folder is."""
    with served("bigquery", "google.cloud.bigquery") as port:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        endpoint = f"http://127.0.0.1:{port}"
        options = {"api_endpoint": endpoint}
        client = bigquery.Client("local", AnonymousCredentials(), client_options=options)

        def settings_in(root: Path) -> dict[str, str]:
            dataset = "local.dw_" + root.parent.name.replace("-", "_")
            client.create_dataset(dataset, timeout=10)
            return {
                "WAREHOUSE": "bigquery",
                "BIGQUERY_DATASET": dataset,
                "BIGQUERY_ENDPOINT": endpoint,
            }

        with client:
            yield settings_in
