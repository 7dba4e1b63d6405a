"""Send a night to BigQuery or Snowflake, in a session of its own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from config import Settings
from errors import SettingsError
from mirror.difference import Change, Published, State, portable_hash
from mirror.run import Result
from mirror.services import BigQuery, Load, Proof, Service, Snowflake, night
from warehouse.database import connect, literal

EVERYTHING = "*"  # in the table of states: the version that all tables are of
NAME = "netflix-elt-pipeline"  # in the services' own records of what ran


class Session(Protocol):
    """A connection that can hold a transaction."""

    def rows(self, sql: str) -> list[tuple]: ...
    def load(self, table: str, path: Path) -> None: ...
    def close(self) -> None: ...


class BigQuerySession:
    """A session of the client that WAREHOUSE=bigquery has; each statement is a job in it."""

    def __init__(self, settings: Settings, place: str, most_bytes: int | None) -> None:
        from google.cloud import bigquery

        from engines.bigquery import connect as connect_client

        self.bigquery, self.place = bigquery, place
        self.client = connect_client(replace(settings, bigquery_dataset=place)).client
        self.options: dict[str, Any] = {"labels": {"application": NAME}}
        if most_bytes:
            self.options["maximum_bytes_billed"] = most_bytes
        job = self.client.query(
            "SELECT 1", bigquery.QueryJobConfig(create_session=True, **self.options)
        )
        job.result()
        number = bigquery.ConnectionProperty("session_id", job.session_info.session_id)
        self.options["connection_properties"] = [number]

    def rows(self, sql: str) -> list[tuple]:
        job = self.client.query(sql, self.bigquery.QueryJobConfig(**self.options))
        return [tuple(row.values()) for row in job.result()]

    def load(self, table: str, path: Path) -> None:
        config = self.bigquery.LoadJobConfig(source_format="PARQUET", labels=self.options["labels"])
        with open(path, "rb") as file:
            target = f"{self.place}.{table}"
            self.client.load_table_from_file(file, target, job_config=config).result()

    def close(self) -> None:
        self.client.close()


class SnowflakeSession:
    """A session by the client; `url` is as SNOWFLAKE_URL."""

    def __init__(self, url: str) -> None:
        import snowflake.connector

        from engines.snowflake import options

        given = options(url)
        given["session_parameters"] = given["session_parameters"] | {"QUERY_TAG": NAME}
        self.session = snowflake.connector.connect(**given)

    def rows(self, sql: str) -> list[tuple]:
        return self.session.cursor().execute(sql).fetchall()

    def load(self, table: str, path: Path) -> None:
        raise NotImplementedError  # PUT and COPY are statements

    def close(self) -> None:
        self.session.close()


def open_session(url: str, settings: Settings) -> tuple[Session, Service]:
    """Connect to bigquery://project/dataset?max_bytes_billed=... or snowflake://..."""
    parts = urlsplit(url)
    place = f"{parts.netloc}.{parts.path.strip('/')}"
    if parts.scheme == "bigquery":
        given = parse_qs(parts.query)
        most = given.pop("max_bytes_billed", [""])[0]
        if given or (most and not most.isdigit()):
            raise SettingsError("MIRROR_URL takes max_bytes_billed=<bytes> after the ?")
        return BigQuerySession(settings, place, int(most) if most else None), BigQuery(place)
    names = parts.path.strip("/").split("/")
    return SnowflakeSession(url), Snowflake(".".join(names))


def bring_level(
    settings: Settings, version: Path, url: str, folder: Path, sign: Callable[[str], None]
) -> Result:
    """Send what each table lacks; nothing if the service has this version already.

    `folder` is for files on their way; `sign` is called before each statement.
    """
    session, service = open_session(url, settings)
    with closing(session):
        return send_night(settings, version, session, service, folder, sign)


def send_night(
    settings: Settings,
    version: Path,
    session: Session,
    service: Service,
    folder: Path,
    sign: Callable[[str], None],
) -> Result:
    """Compare, load and commit a night."""
    result, before = Result(service.place), read_states(session, service)
    if EVERYTHING in before and before[EVERYTHING].version == version.name:
        return result
    database = version / "netflix.duckdb"
    with closing(connect(database, settings, [folder], read_only=True)) as con:
        published = Published(con, version, portable_hash)
        known = [table for name, table in published.tables.items() if name in before]
        sums = read_sums(session.rows(service.prove(known))) if known else {}
        states: dict[str, State] = {}
        changes: list[Change] = []
        for name, table in published.tables.items():
            state = before.get(name)
            if state and (state.rows, int(state.digest)) != sums[name]:
                result.foreign.append(name)
                state = replace(state, rows=-1)  # nothing follows from that
            sign(name)
            change = published.compare(table, state)
            if state:
                states[name] = state
            if change:
                states[name] = change.state
                changes.append(change)
                write_file(published, change, folder)
        states[EVERYTHING] = State(version.name, published.newest, 0, "0", "")
        tables = list(published.tables.values())
        wanted = {name: (state.rows, int(state.digest)) for name, state in states.items()}
        statements = night(service, changes, before, states, tables, folder)
        run(session, service, with_signs(statements, sign), wanted)
    result.tables = len(tables)
    result.changed = [change.table.name for change in changes]
    result.whole = [change.table.name for change in changes if change.is_whole]
    result.rows = sum(change.added_rows for change in changes)
    return result


def read_states(session: Session, service: Service) -> dict[str, State]:
    """Return what the mirror says of its tables; nothing if it is new."""
    session.rows(service.create_states())
    return {
        name: State(version, since, int(rows), digest, columns)
        for name, version, since, rows, digest, columns in session.rows(service.read_states())
    }


def read_sums(rows: Iterable[tuple]) -> dict[str, tuple[int, int]]:
    return {name: (int(count), int(digest)) for name, count, digest in rows}


def with_signs(parts: Iterable[Any], sign: Callable[[str], None]) -> Iterator[Any]:
    for part in parts:
        sign("statement")
        yield part


def write_file(published: Published, change: Change, folder: Path) -> None:
    path = folder / f"{change.table.name}.parquet"
    published.con.execute(f"COPY ({change.query}) TO {literal(path)} (FORMAT parquet)")


def run(
    session: Session,
    service: Service,
    statements: Iterable[str | Load],
    wanted: dict[str, tuple[int, int]],
) -> None:
    """Run a night; roll back, and raise OSError, if a table is not as it was published."""
    try:
        for statement in statements:
            if isinstance(statement, Load):
                for text in statement.statements:
                    session.rows(text)
                if statement.is_job:
                    session.load(statement.table, statement.path)
            elif isinstance(statement, Proof):
                found = read_sums(session.rows(statement))
                if wrong := [name for name in found if found[name] != wanted[name]]:
                    raise OSError(f"{', '.join(wrong)}: not as published after the merge")
            else:
                session.rows(statement)
    except BaseException:
        with suppress(Exception):
            session.rows(service.rollback)
        raise
