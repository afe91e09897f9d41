"""PostgreSQL behind SQLAlchemy: several nodes on one database, each with one or two connections that write and some
that read.

`PostgresBackend` takes a libpq URL (`postgresql://user@host1,host2/db?target_session_attrs=read-write`); `Store` calls
it. Everything works through PgBouncer in transaction mode: no prepared statements, nothing set for a session.
Facts: https://www.postgresql.org/docs/current/libpq-connect.html, …/errcodes-appendix.html, …/explicit-locking.html.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.store import hints
from memonotify.store.backend import COLUMNS, EventRow, sort_out
from memonotify.store.numbers import Space

CONNECT_S: Final = 5
STATEMENT_S: Final = 15.0
"""No statement takes longer: the server breaks it off, and with it the locks that it holds."""

ANSWER_S: Final = 20.0
"""So long the server may say nothing: one that hangs is one that is away. Longer, so that its own word comes first."""

_DEAD_PEER_MS: Final = 10_000
_OPTIONS: Final[dict[str, Any]] = {
    # Behind PgBouncer a statement that was prepared in one transaction is not known in the next.
    "prepare_threshold": None,
    "application_name": "memonotify",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": _DEAD_PEER_MS,
    "client_encoding": "utf8",
}
_MIGRATION_LOCK: Final = 0x6D656D6F
_LEAST_VERSION: Final = 130_000

# SQLSTATEs that speak of the server, not of the statement: the classes of connection, resources, operator, system, I/O;
# a server that takes no writes, as after a failover; and one that found a transaction idle or open for too long.
_PASSING: Final = ("08", "53", "57", "58", "XX", "25006", "25P03", "25P04")
_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
_FORBIDDEN: Final = "42501"
# Of a value that is wrong for its column the server repeats the value.
_BAD_VALUE: Final = "22"

_TYPES: Final = ("text",) * 8 + ("bigint", "bigint", "text", "boolean")
_RECEIVE: Final = (
    f"INSERT INTO events ({COLUMNS}) SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in _TYPES)}) "  # noqa: S608 - constants
    "ON CONFLICT DO NOTHING RETURNING workspace, event_id, seq"
)
_LEASE: Final = COLUMNS.split(", ").index("lease")
_MARK: Final = (
    "UPDATE events SET due_at = NULL, evaluated_at = marked.at "
    "FROM unnest(%s::bigint[], %s::bigint[]) AS marked (seq, at) "
    "WHERE events.seq = marked.seq AND evaluated_at IS NULL AND lease = %s"
)


class PostgresBackend:
    """One database, or several servers of which one takes writes, as libpq's URL lists them."""

    is_shared = True

    def __init__(
        self, url: str, *, statement_s: float = STATEMENT_S, answer_s: float = ANSWER_S, connect_s: int = CONNECT_S
    ) -> None:
        psycopg = _driver()
        from memonotify.store.pgconnection import PatientConnection

        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise StoreUnusable("the store's address is not one that PostgreSQL understands") from None
        host, base = str(parts.get("host", "localhost")), str(parts.get("dbname", ""))
        ports = str(parts.get("port", "")).replace(",", "")
        if "@" in host + base or not (ports or "0").isdecimal():
            # What stands there is the rest of a password, and the name would tell it.
            raise StoreUnusable(
                "the store's address: a user or password with characters such as @ : / # needs them written as %40 %3A "
                "%2F %23"
            )
        self.name = f"postgresql://{host}/{base}"
        self._url = url
        self._psycopg = psycopg
        self._connection = PatientConnection
        self._statement_s = statement_s
        self._answer_s = answer_s
        self._options = {"connect_timeout": connect_s, **_OPTIONS}

    def take(self) -> None:
        """Do nothing: nodes share the work by leases."""

    def let_go(self) -> None:
        """Do nothing."""

    def exists(self) -> bool:
        """Return True: only the server can tell."""
        return True

    def demand(self) -> None:
        """Do nothing: whether there are tables is asked on the connection."""

    def writing_engine(self, *, patience_s: float | None = None) -> Engine:
        """Return the engine of a connection of this node that writes; with `patience_s`, one that holds up nobody."""
        # In the transaction, not in the session: behind PgBouncer the next transaction has another session. Read
        # committed, whatever the database's default is: a node that waited for another's lock goes by what is now.
        orders = (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
            f"SET LOCAL statement_timeout = {_ms(patience_s or self._statement_s)}; SET LOCAL synchronous_commit = on"
        )
        if patience_s is not None:
            orders += f"; SET LOCAL idle_in_transaction_session_timeout = {_ms(patience_s)}"
        engine = create_engine("postgresql+psycopg://", creator=self._connect, poolclass=NullPool, hide_parameters=True)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            self._driver_of(connection).answer_s = self._answer_s
            connection.exec_driver_sql(orders)

        return engine

    def reading_engine(self, connections: int) -> Engine:
        """Return the engine of the connections that read."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                f"SET LOCAL statement_timeout = {_ms(self._statement_s)}"
            )

        return engine

    def _connect(self) -> Any:
        connection = self._connection.connect(self._url, **self._options)
        connection.answer_s = self._answer_s
        return connection

    async def listen(self, on_hint: Callable[[], None]) -> None:
        """Call back when another node says that there is work."""
        await hints.listen(
            lambda: self._psycopg.AsyncConnection.connect(self._url, autocommit=True, **self._options),
            self._psycopg.Error,
            on_hint,
        )

    def check(self, connection: Connection) -> None:
        """Check that the server is new enough and promises that a commit is on its disk."""
        with connection.begin():
            version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
            fsync = connection.exec_driver_sql("SHOW fsync").scalar_one()
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            recovering = connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one()
        if version < _LEAST_VERSION:
            raise StoreUnusable(f"{self.name}: PostgreSQL {version // 10_000}; 13 or newer is needed")
        if fsync != "on":
            raise StoreUnusable(f"{self.name}: the server runs with fsync=off and would lose events; turn it on")
        if encoding != "UTF8":
            raise StoreUnusable(f"{self.name}: the database holds text as {encoding}; make one with ENCODING 'UTF8'")
        if recovering:
            raise StoreUnavailable(
                f"{self.name}: this server takes no writes; name all servers and add ?target_session_attrs=read-write"
            )

    def guard_migration(self, connection: Connection) -> None:
        """Wait for the lock that one migrating node holds until its transaction ends, however long that takes."""
        self._driver_of(connection).answer_s = math.inf
        # As a query by itself: of several, the first's bound would hold for all.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")

    def _driver_of(self, connection: Connection) -> Any:
        return connection.connection.driver_connection

    def still_there(self) -> None:
        """Do nothing: who answers is the database."""

    def space(self) -> Space | None:
        """Return None: the database's disk is its own."""
        return None

    def moment(self, connection: Connection) -> datetime | None:
        """Return the server's clock."""
        found: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return found.astimezone(UTC)

    def is_passing(self, error: BaseException) -> bool:
        """Return whether the server or the way to it failed, not the operation."""
        cause = _cause(error)
        if isinstance(cause, StoreUnavailable):
            return True
        if not isinstance(cause, self._psycopg.Error):
            return False
        state: str | None = cause.sqlstate
        if state is None:
            return self._is_of_connection(cause)
        return state.startswith(_PASSING)

    def _is_of_connection(self, cause: Any) -> bool:
        # A connection that broke, or that was refused, has no state.
        return cause.sqlstate is None and isinstance(
            cause, self._psycopg.OperationalError | self._psycopg.InterfaceError
        )

    def is_conflict(self, error: BaseException) -> bool:
        """Return whether a deadlock or another transaction got in the way."""
        return getattr(_cause(error), "sqlstate", None) in _CONFLICTS

    def translate(self, error: BaseException) -> BaseException:
        """Return the StoreError that a database's error stands for; another error comes back as it is."""
        if isinstance(error, StoreError):
            return error
        cause = _cause(error)
        if not isinstance(cause, self._psycopg.Error):
            return error
        said = self._said(cause)
        translated: StoreError
        if cause.sqlstate == _FORBIDDEN:
            translated = StoreUnusable(f"{self.name}: the server does not let this user do that: {said}")
        elif self.is_passing(error) or self.is_conflict(error):
            translated = StoreUnavailable(f"the store cannot be used now: {said}")
        else:
            # Not `error` itself: its text would show the statement, and with it the bank's data.
            translated = StoreError(f"the store refused an operation: {said}")
        translated.__cause__ = cause
        return translated

    def _said(self, cause: Any) -> str:
        """Return what the server said, or the library of a connection, in one line; never values or the URL."""
        state: str | None = cause.sqlstate
        if self._is_of_connection(cause):
            return " ".join(str(cause).partition("\n")[0].removeprefix("connection failed: ").split())
        if state is None or state.startswith(_BAD_VALUE):
            return f"a value does not fit ({state or type(cause).__name__})"
        return f"{cause.diag.message_primary or type(cause).__name__} ({state})"

    def receive(self, connection: Connection, rows: Sequence[EventRow]) -> list[int | None]:
        """Write new events with one statement; return each one's number, None for one that was already there."""
        # Alone in a batch it is a transaction by itself; beside other operations it is in theirs.
        with nullcontext() if connection.in_transaction() else connection.begin():
            driver = connection.connection.cursor()
            try:
                driver.execute(_RECEIVE, [list(column) for column in zip(*rows, strict=True)])
                found = driver.fetchall()
                if any(not row[_LEASE] for row in rows):
                    driver.execute(hints.NOTIFY)
                return sort_out(found, rows)
            finally:
                driver.close()

    def mark(self, connection: Connection, evaluated: Sequence[tuple[int, int]], lease: str) -> None:
        """Note with one statement that events led to nothing."""
        driver = connection.connection.cursor()
        try:
            driver.execute(_MARK, ([seq for _, seq in evaluated], [at for at, _ in evaluated], lease))
        finally:
            driver.close()


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _driver() -> Any:
    try:
        import psycopg
    except ImportError:
        raise StoreUnusable(
            "a store on PostgreSQL needs the package psycopg: install memonotify with its extra, as in "
            "`pip install 'memonotify[postgres]'` or `pip install '.[postgres]'`"
        ) from None
    return psycopg


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
