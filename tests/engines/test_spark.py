"""What is Spark's own: how a server is found, how one that is not there is told, and clusters."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from conftest import Pipeline
from serving import free_port

pytest.importorskip("sqlglot", reason="no sqlglot: make test-engines installs it")
pytestmark = pytest.mark.engines


def test_a_server_that_does_not_answer_is_reported_at_once(pipeline: Pipeline):
    remote = f"sc://127.0.0.1:{free_port()}"
    done = pipeline.step("11_explain_title", "s1", WAREHOUSE="spark", SPARK_REMOTE=remote)
    assert done.returncode == 1
    assert f"{remote.removeprefix('sc://')} does not answer" in done.stderr


def test_a_missing_setting_is_named(pipeline: Pipeline):
    done = pipeline.step("11_explain_title", "s1", WAREHOUSE="spark")
    assert (done.returncode, "SPARK_REMOTE is not set" in done.stderr) == (2, True)


def test_an_answer_that_could_not_be_read_is_asked_for_again():
    pytest.importorskip("pyspark.sql.connect.client.retries", reason="no pyspark-client")
    policy = import_module("engines.spark").retry_policy()
    unreadable = 'status = StatusCode.INTERNAL\ndetails = "Exception deserializing response!"'
    assert policy.can_retry(RuntimeError(unreadable))
    assert not policy.can_retry(RuntimeError("the table is not there"))


class Forgetful:
    """A session whose n-th answer, from 0, is lost: of a statement, or of what it returned."""

    def __init__(self, lost: int):
        self.lost, self.asked = lost, []

    def answer(self, what: str) -> None:
        self.asked.append(what)
        if len(self.asked) == self.lost + 1:
            raise RuntimeError("internal error: task context not found for operation")

    def sql(self, statement: str) -> "Forgetful":
        self.answer(statement)
        return self

    def toArrow(self) -> str:
        self.answer("rows")
        return "rows"


@pytest.mark.parametrize(
    ("statement", "lost", "asked"),
    [
        ("SELECT 1", 0, ["SELECT 1", "SELECT 1", "rows"]),
        ("SELECT 1", 1, ["SELECT 1", "rows", "SELECT 1", "rows"]),
        ("INSERT INTO t VALUES (1)", 0, ["INSERT INTO t VALUES (1)"]),
        ("INSERT INTO t VALUES (1)", 1, ["INSERT INTO t VALUES (1)", "rows", "rows"]),
    ],
)
def test_where_sail_forgot_an_answer_it_reads_again_and_never_writes_twice(statement, lost, asked):
    pytest.importorskip("pyspark", reason="no pyspark-client")
    session = Forgetful(lost)
    engine = SimpleNamespace(session=session, errors=(RuntimeError,))
    rows = import_module("engines.spark").Spark.arrow(engine, statement)
    assert session.asked == asked
    assert rows == "rows" or (rows.num_rows == 0 and session.asked == [statement])


@pytest.mark.filterwarnings("ignore")  # of the client
def test_two_days_on_a_cluster_of_two_workers(capsys):
    """It runs less than one process does: no function as rows are written, few files at a time."""
    pytest.importorskip("pysail", reason="no pysail: make test-engines installs it")
    assert import_module("cluster").main(500) == 0, capsys.readouterr()
