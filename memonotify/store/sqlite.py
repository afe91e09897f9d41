"""SQLite behind SQLAlchemy: how its file is opened for writing and for reading, and checked at the start.

`SqliteBackend` takes the store's URL and gives engines; `Store` calls it. Facts: https://www.sqlite.org/pragma.html,
https://www.sqlite.org/wal.html.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from memonotify.errors import StoreUnusable
from memonotify.store import numbers
from memonotify.store.backend import COLUMNS, EventRow, sort_out
from memonotify.store.faults import is_broken, is_passing, translate
from memonotify.store.lock import WriterLock, database_path
from memonotify.store.numbers import Space

_BUSY_S: Final = 5.0
_WAL_PAGES: Final = 1000
_SYNCHRONOUS_FULL: Final = 2
_CACHED_STATEMENTS: Final = 256
_CHECK_S: Final = 10.0
_PROGRESS_STEPS: Final = 100_000

# The two statements of the hot path go to the driver as they are: SQLAlchemy would cost as much again as SQLite does.
# Each is one statement for a whole batch, because the driver gives up the interpreter's lock at every step, and gets it
# back from a busy event loop only after a while: a step per row made a commit ten times as long.
_ONE_ROW: Final = f"({', '.join('?' for _ in COLUMNS.split(','))})"
_MARK: Final = (
    "UPDATE events SET due_at = NULL, evaluated_at = ? "
    "WHERE evaluated_at IS NULL AND seq IN (SELECT value FROM json_each(?))"
)
_MARK_EACH: Final = (
    "UPDATE events SET due_at = NULL, evaluated_at = marked.value FROM json_each(?) marked "
    "WHERE evaluated_at IS NULL AND seq = CAST(marked.key AS INTEGER)"
)
_NEWEST: Final = "SELECT workspace, event_id, seq FROM events ORDER BY seq DESC LIMIT ?"


class SqliteBackend:
    """One file, one process that writes: a lock beside the file sees to that."""

    is_shared = False

    def __init__(self, url: str) -> None:
        self.path = database_path(url)
        self.name = str(self.path)
        self._lock = WriterLock(url)
        self._file: tuple[int, int] | None = None

    def take(self) -> None:
        """Make the file where there is none, and take its lock."""
        make_file(self.path)
        self._lock.acquire()
        self._file = _identity(self.path)

    def let_go(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self.path.exists()

    def demand(self) -> None:
        """Raise StoreUnusable where there is no file to read."""
        demand_file(self.path)

    def writing_engine(self, *, patience_s: float | None = None) -> Engine:  # noqa: ARG002 - nobody else writes
        """Return the engine of the one connection that writes."""
        return writing_engine(self.path)

    def reading_engine(self, connections: int) -> Engine:
        """Return the engine of the connections that read."""
        return reading_engine(self.path, connections)

    async def listen(self, _on_hint: Callable[[], None]) -> None:
        """Do nothing: nobody else works on it."""

    def check(self, connection: Connection) -> None:
        """Check that the file is a database and whole."""
        check(connection, self.path)

    def guard_migration(self, connection: Connection) -> None:
        """Do nothing: the lock is held."""

    def still_there(self) -> None:
        """Raise StoreUnusable where another file has taken the place of the one that is open."""
        if _identity(self.path) != self._file:
            raise StoreUnusable(f"{self.path}: moved or replaced while it was in use; put it back and start again")

    def space(self) -> Space | None:
        """Return the bytes the file takes and the bytes left on its disk."""
        return numbers.space(self.path)

    def moment(self, _connection: Connection) -> datetime | None:
        """Return None: it is this machine's clock."""
        return None

    def is_passing(self, error: BaseException) -> bool:
        """Return whether the disk or the file system failed."""
        return is_passing(error)

    def is_conflict(self, _error: BaseException) -> bool:
        """Return False: nobody else writes."""
        return False

    def translate(self, error: BaseException) -> BaseException:
        """Return the StoreError that SQLite's error stands for."""
        return translate(error)

    def receive(self, connection: Connection, rows: Sequence[EventRow]) -> list[int | None]:
        """Write new events; return each one's number, None for one that was already there."""
        driver = connection.connection.cursor()
        try:
            driver.execute(_receive_statement(len(rows)), [value for row in rows for value in row])
            made = driver.rowcount
            if made == len(rows):
                # Nobody else writes, so the numbers of one statement follow each other.
                return list(range(driver.lastrowid - made + 1, driver.lastrowid + 1))
            if not made:
                return [None] * len(rows)
            # Numbers only grow, so the new ones are the highest; with gaps: a row that is not written spends one.
            driver.execute(_NEWEST, (made,))
            return sort_out(driver.fetchall(), rows)
        finally:
            driver.close()

    def mark(self, connection: Connection, evaluated: Sequence[tuple[int, int]], lease: str) -> None:  # noqa: ARG002 - there is one
        """Note that events led to nothing."""
        moments = {seq: at for at, seq in evaluated}
        one = set(moments.values())
        driver = connection.connection.cursor()
        try:
            if len(one) == 1:
                driver.execute(_MARK, (*one, json.dumps(list(moments))))
            else:
                driver.execute(_MARK_EACH, (json.dumps(moments),))
        finally:
            driver.close()


@cache
def _receive_statement(rows: int) -> str:
    return f"INSERT INTO events ({COLUMNS}) VALUES {', '.join([_ONE_ROW] * rows)} ON CONFLICT DO NOTHING"  # noqa: S608 - constants


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def make_file(path: Path) -> None:
    """Make an empty database file, readable by its owner only, where there is none; folders as well.

    Raises:
        StoreUnusable: the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnusable(
            f"{path}: cannot be written ({error.strerror}); the daemon's user needs to own the file and its folder"
        ) from error


def demand_file(path: Path) -> None:
    """Raise StoreUnusable where there is no file or it cannot be read; nothing is made."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        raise StoreUnusable(f"{path}: there is no store yet; `memonotify serve` makes one") from None
    except OSError as error:
        raise StoreUnusable(f"{path}: cannot be read ({error.strerror}); run this as the daemon's user") from error


def writing_engine(path: Path) -> Engine:
    """Return an engine whose connections write durably, each transaction taking the write lock at its start.

    Connecting raises StoreUnusable where the file system cannot do what durability needs.
    """

    def connect() -> sqlite3.Connection:
        connection = _open(path, "rw")
        try:
            _demand(connection, path, "journal_mode=WAL", "journal_mode", "wal")
            _demand(connection, path, "synchronous=FULL", "synchronous", _SYNCHRONOUS_FULL)
            _demand(connection, path, "foreign_keys=ON", "foreign_keys", 1)
            connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
            # What a statement of many rows keeps to undo itself goes to a file otherwise: a fifth of its cost.
            connection.execute("PRAGMA temp_store=MEMORY")
        except BaseException as error:
            connection.close()
            if is_broken(error):
                raise _damaged(path, str(error)) from error
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reading_engine(path: Path, connections: int) -> Engine:
    """Return an engine of at most so many connections that can only read; each transaction sees one moment."""

    def connect() -> sqlite3.Connection:
        return _open(path, "ro")

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )


def _demand(connection: sqlite3.Connection, path: Path, order: str, name: str, expected: str | int) -> None:
    # Read back: SQLite answers an order it cannot follow with silence.
    connection.execute(f"PRAGMA {order}")
    (got,) = connection.execute(f"PRAGMA {name}").fetchone()
    if got != expected:
        raise StoreUnusable(
            f"{path}: SQLite answers {name}={got} where {expected} is needed to keep events safe; "
            "put the store on a local disk"
        )


def check(connection: Connection, path: Path) -> None:
    """Check that the file is a database and whole; of a very large one, what ten seconds suffice for.

    Raises:
        StoreUnusable: it is no SQLite database, or it is damaged.
    """
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    deadline = time.monotonic() + _CHECK_S
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _PROGRESS_STEPS)
    try:
        (finding,) = driver.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if is_broken(error):
            raise _damaged(path, str(error)) from error
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        driver.set_progress_handler(None, 0)
    if finding != "ok":
        raise _damaged(path, str(finding).splitlines()[-1])


def _damaged(path: Path, finding: str) -> StoreUnusable:
    return StoreUnusable(
        f"{path}: not a whole SQLite database ({finding}); move it away, then restore a copy or save what can be read "
        f"with `sqlite3 {path.name} .recover`"
    )
