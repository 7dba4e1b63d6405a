"""Connect to Spark through Spark Connect, with Delta or Iceberg tables: Databricks, EMR, Sail."""

import hashlib
import socket
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlglot
from sqlglot import exp

from config import Settings
from engines.base import Adapter
from engines.spark_sql import DIALECT, rewrite
from engines.translator import Translator
from errors import SettingsError, StepError

if TYPE_CHECKING:
    import pyarrow

OBJECTS = "warehouse_objects"
PORT, ANSWER_S = 15002, 10  # Spark Connect's port; how long the server may take to answer
RETRIES = 6  # of a request, over a minute in all
UNREADABLE = "Exception deserializing response!"  # the client's words
FORGOTTEN = "task context not found for operation"  # Sail's, asked again for all of an answer
READS = ("SELECT", "WITH", "SHOW", "DESCRIBE")  # the first word of a statement that changes nothing
PARTS = 4  # files of a table that a query creates
BATCH_ROWS = 10_000  # converted to Python values at a time


def connect(settings: Settings) -> "Spark":
    """Open a session on SPARK_REMOTE. Raises SettingsError if unset, StepError without answer."""
    if not settings.spark_remote:
        raise SettingsError(
            "SPARK_REMOTE is not set: WAREHOUSE=spark needs the Spark Connect server, like "
            "SPARK_REMOTE=sc://host:15002"
        )
    if settings.spark_format == "iceberg" and settings.spark_location:
        raise SettingsError(
            "SPARK_LOCATION is for Delta tables of a catalogue that forgets them. Iceberg's tables "
            "are where their catalogue puts them: leave SPARK_LOCATION empty"
        )
    require_answer(settings.spark_remote)
    from pyspark.sql import SparkSession

    session = SparkSession.builder.remote(settings.spark_remote).create()
    session.client.set_retry_policies([retry_policy()])
    return Spark(session, settings)


def retry_policy() -> Any:
    """Return when to send a request again: as Spark does, and if the answer was unreadable.

    Protobuf's parser failed on an answer of Sail's, two times in as many runs of all tests. The
    client asks for the answer again, as it does when a connection breaks; see read_again.
    """
    from pyspark.sql.connect.client.retries import DefaultPolicy

    class Policy(DefaultPolicy):
        def can_retry(self, e: BaseException) -> bool:
            return super().can_retry(e) or UNREADABLE in str(e)

    return Policy(max_retries=RETRIES)


def require_answer(remote: str) -> None:
    """Raise StepError if nothing listens at the URL; Spark's client would retry for minutes."""
    url = urlsplit(remote)
    try:
        socket.create_connection((url.hostname, url.port or PORT), ANSWER_S).close()
    except OSError as error:
        raise StepError(
            f"the Spark Connect server at {url.hostname}:{url.port or PORT} does not answer "
            f"({error}). Start it, or set SPARK_REMOTE, and run again."
        ) from None


def read_again(read: Callable[[], Any]) -> Any:
    """Call what changes nothing; twice where Sail 0.7 forgot the answer, once all was sent."""
    try:
        return read()
    except Exception as error:
        if FORGOTTEN not in str(error):
            raise
        return read()


class Spark(Adapter):
    """A Spark session. With SPARK_LOCATION, the tables there are registered in it first.

    Functions that Spark lacks run in Python on the server: see server_functions.
    """

    def __init__(self, session: Any, settings: Settings):
        from pyspark.errors import PySparkException
        from pyspark.sql.types import StringType

        self.format, self.location = settings.spark_format, settings.spark_location
        super().__init__(Translator(DIALECT, partial(rewrite, table_format=self.format)))
        self.session, self.errors = session, (PySparkException,)
        session.conf.set("spark.sql.session.timeZone", "UTC")
        for function in server_functions():
            session.udf.register(function.__name__, function, StringType())
        self.known: dict[str, tuple[int, str | None]] = {}
        self.temporary: dict[str, tuple[set[str], str]] = {}
        if settings.spark_schema:
            self.result(f"USE {settings.spark_schema}")
        if self.location:
            self.register()

    def register(self) -> None:
        """Register the existing tables and views in the session, in the order of their creation.

        A lasting catalogue does that by itself; Sail's ends with the session.
        """
        self.result(
            f"CREATE TABLE IF NOT EXISTS {OBJECTS} (place INT, name STRING, definition STRING) "
            f"USING delta LOCATION {text(f'{self.location}/{OBJECTS}')}"
        )
        rows = self.result(f"SELECT name, place, definition FROM {OBJECTS} ORDER BY place")[1]
        for name, place, definition in rows:
            self.known[name] = place, definition
            is_view = definition.startswith("CREATE OR REPLACE VIEW")
            with suppress(*(self.errors if is_view else ())):  # its columns may be gone
                self.result(definition)

    def run(self, tree: exp.Expression) -> None:
        is_table = isinstance(tree, exp.Create) and tree.kind == "TABLE"
        if is_table or isinstance(tree, exp.Insert):
            self.spread(tree)
        if isinstance(tree, exp.Drop):
            self.remember(tree.find(exp.Table).name, None)
        elif is_table:
            self.make_table(tree)
            return
        super().run(tree)
        if isinstance(tree, exp.Create):
            self.remember_view(tree)
        elif isinstance(tree, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
            self.refresh(tree.find(exp.Table).name)

    def make_table(self, tree: exp.Create) -> None:
        name = tree.find(exp.Table).name
        folder = self.choose_folder(name, tree) if self.location else ""
        if self.location:
            location = exp.LocationProperty(this=exp.Literal.string(folder))
            tree.args["properties"].append("expressions", location)
        super().run(tree)
        self.refresh(name)
        definition = f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION {text(folder)}"
        self.remember(name, definition)

    def choose_folder(self, name: str, tree: exp.Create) -> str:
        """Return the table's folder; a new one if the table is replaced by one with other columns.

        Sail 0.7 keeps the columns of an existing folder; in a new folder the table is new.
        """
        before = self.known.get(name, (0, None))[1] or ""
        location = sqlglot.parse_one(before or "SELECT 1", read=DIALECT).find(exp.LocationProperty)
        folder = location.this.name if location else f"{self.location}/{name}"
        if not location or tree.args.get("exists"):
            return folder
        if isinstance(tree.expression, exp.Query):
            columns = self.session.table("rows_to_write").dtypes
        else:
            kinds = tree.find_all(exp.ColumnDef)
            columns = [(c.name, c.kind.sql(dialect=DIALECT).lower()) for c in kinds]
        if columns == self.session.table(name).dtypes:
            return folder
        self.result(f"DROP TABLE {name}")
        digest = hashlib.sha256(repr(columns).encode()).hexdigest()[:8]
        return f"{self.location}/{name}-{digest}"

    def spread(self, tree: exp.Create | exp.Insert) -> None:
        """Finish a query before its rows are written, in PARTS parts.

        A cluster of Sail 0.7 cannot do both at once ("no UDF found for min", for nullif in a view
        that is read); a shuffle separates them.
        """
        query = tree.expression
        if self.location and isinstance(query, exp.Query):
            sql = self.translator.text(query)
            rows = read_again(lambda: self.session.sql(sql)).repartition(PARTS)
            read_again(lambda: rows.createOrReplaceTempView("rows_to_write"))
            tree.set("expression", exp.select("*").from_("rows_to_write"))

    def remember_view(self, tree: exp.Create) -> None:
        name, definition = tree.this.name, self.translator.text(tree)
        if tree.find(exp.TemporaryProperty):
            sources = {table.name for table in tree.expression.find_all(exp.Table)}
            self.temporary[name] = sources, definition
        else:
            self.remember(name, definition)

    def refresh(self, changed: str) -> None:
        """Recreate the session's views over a table: in Sail they still show its old rows."""
        stale = {changed}
        for name, (sources, definition) in self.temporary.items():
            if sources & stale:
                self.result(definition)
                stale.add(name)

    def remember(self, name: str, definition: str | None) -> None:
        """Store the statement by which a later session registers a table or view.

        The whole list is written each time: each session would have to read a file per entry, and
        an UPDATE on a cluster of Sail 0.7 needs a task slot for each of them.
        """
        if not self.location:
            return
        last = max((place for place, _ in self.known.values()), default=0)
        place, before = self.known.get(name, (last + 1, None))  # after all that it is made of
        if before == definition:
            return
        self.known[name] = place, definition
        rows = ", ".join(
            f"({place}, {text(name)}, {text(definition)})"
            for name, (place, definition) in self.known.items()
            if definition is not None
        )
        self.result(f"INSERT OVERWRITE {OBJECTS} VALUES {rows}")

    def arrow(self, sql: str) -> "pyarrow.Table":
        if sql.startswith(READS):
            return read_again(lambda: self.session.sql(sql).toArrow())
        try:
            done = self.session.sql(sql)
        except self.errors as error:
            if FORGOTTEN not in str(error):
                raise
            import pyarrow

            return pyarrow.table({})  # it ran to its end; only the answer is lost
        return read_again(done.toArrow)

    def result(self, sql: str) -> tuple[list[str], Iterator[tuple]]:
        table = self.arrow(sql)
        batches = (
            zip(*(column.to_pylist() for column in batch.columns), strict=True)
            for batch in table.to_batches(BATCH_ROWS)
        )
        return table.column_names, chain.from_iterable(batches)

    def objects(self) -> Iterator[tuple[str, bool]]:
        views, tables = (self.names(f"SHOW {kind}") for kind in ("VIEWS", "TABLES"))
        for name in views | tables:  # TABLES has the views, too, but not in a catalogue of Iceberg
            yield name, name in views

    def names(self, show: str) -> set[str]:
        names, rows = self.result(show)
        column = names.index("viewName" if "viewName" in names else "tableName")  # this in Sail
        is_temporary = names.index("isTemporary")
        return {row[column] for row in rows if not row[is_temporary]}

    def load_parquet(self, view: str, path: Path) -> None:
        """Let the cluster read the file, which it must see under the same path.

        A catalogue of Iceberg names no other files than its own: there the rows are copied.
        """
        if self.format == "iceberg":
            rows = f"parquet.{exp.to_identifier(str(path), quoted=True).sql(dialect=DIALECT)}"
            self.result(f"CREATE OR REPLACE TABLE {view} USING iceberg AS SELECT * FROM {rows}")
            self.refresh(view)
            return
        made = f"CREATE TABLE IF NOT EXISTS {view} USING parquet LOCATION {text(str(path))}"
        self.result(f"DROP TABLE IF EXISTS {view}")
        self.result(made)
        self.remember(view, made)
        self.refresh(view)

    def close(self) -> None:
        self.session.stop()


def text(value: str) -> str:
    return exp.Literal.string(value).sql(dialect=DIALECT)


def server_functions() -> list[Callable[[str | None], str | None]]:
    """Return DuckDB's functions that Spark lacks; nested here, they are sent with their code."""

    def nfc_normalize(value: str | None) -> str | None:
        return value if value is None else unicodedata.normalize("NFC", value)

    def strip_accents(value: str | None) -> str | None:
        if value is None:
            return None
        letters = unicodedata.normalize("NFD", value)
        bare = "".join(c for c in letters if not unicodedata.category(c).startswith("M"))
        return unicodedata.normalize("NFC", bare)

    return [nfc_normalize, strip_accents]
