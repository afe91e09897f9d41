"""What a database's errors mean to us: come again later, never again, or a mistake of one operation.

Takes what SQLAlchemy and the driver raise; the writer and the readers call it. SQLite's result codes:
https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    }
)
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _driver_error(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _code(error: BaseException) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest says where, such as "while syncing a directory".
    return code & 0xFF if isinstance(code, int) else None


def is_passing(error: BaseException) -> bool:
    """Return whether the surroundings failed (disk full, I/O), not the operation: the same may work later."""
    cause = _driver_error(error)
    if isinstance(cause, StoreUnavailable):
        return True
    code = _code(cause)
    return code in _PASSING or (code is None and isinstance(cause, sqlite3.OperationalError))


def is_broken(error: BaseException) -> bool:
    """Return whether the file is damaged, or no database at all."""
    return _code(_driver_error(error)) in _BROKEN


def translate(error: BaseException) -> BaseException:
    """Return the StoreError that a database's error stands for; what is no database's error comes back as it is."""
    if isinstance(error, StoreError):
        return error
    cause = _driver_error(error)
    if not isinstance(cause, sqlite3.Error):
        return error
    translated: StoreError
    if is_passing(error):
        translated = StoreUnavailable(f"the store cannot be used now: {cause}")
    elif is_broken(error):
        translated = StoreUnusable(f"the store is damaged ({cause}): stop the daemon and restore the file from a copy")
    else:
        # Not `error` itself: its text would show the statement, and with it the bank's data.
        translated = StoreError(f"the store refused an operation: {cause}")
    translated.__cause__ = cause
    return translated
