"""SQLite behind SQLAlchemy: how its file is opened for writing and for reading, and checked at the start.

Takes a path, gives engines; `Store` calls it. Facts: https://www.sqlite.org/pragma.html, https://www.sqlite.org/wal.html.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from memonotify.errors import StoreUnusable
from memonotify.store.faults import is_broken

_BUSY_S: Final = 5.0
_WAL_PAGES: Final = 1000
_SYNCHRONOUS_FULL: Final = 2
_CACHED_STATEMENTS: Final = 256
_CHECK_S: Final = 10.0
_PROGRESS_STEPS: Final = 100_000


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
