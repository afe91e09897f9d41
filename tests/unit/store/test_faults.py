from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.store.faults import is_broken, is_passing, translate


def _coded(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("what SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_coded(sqlite3.OperationalError, sqlite3.SQLITE_FULL), StoreUnavailable),
        (_coded(sqlite3.OperationalError, sqlite3.SQLITE_IOERR_FSYNC), StoreUnavailable),
        (_coded(sqlite3.OperationalError, sqlite3.SQLITE_BUSY_SNAPSHOT), StoreUnavailable),
        (_coded(sqlite3.OperationalError, sqlite3.SQLITE_READONLY_DBMOVED), StoreUnavailable),
        (sqlite3.OperationalError("without a code"), StoreUnavailable),
        (_coded(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT), StoreUnusable),
        (_coded(sqlite3.DatabaseError, sqlite3.SQLITE_NOTADB), StoreUnusable),
        (_coded(sqlite3.OperationalError, sqlite3.SQLITE_ERROR), StoreError),
        (_coded(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_NOTNULL), StoreError),
        (sqlite3.ProgrammingError("Error binding parameter"), StoreError),
    ],
)
def test_each_error_of_the_driver_has_one_meaning(error: sqlite3.Error, expected: type[StoreError]) -> None:
    translated = translate(error)
    assert type(translated) is expected
    assert str(error) in str(translated)
    assert is_passing(error) is (expected is StoreUnavailable)
    assert is_broken(error) is (expected is StoreUnusable)


def test_the_wrapping_of_the_library_changes_nothing() -> None:
    full = _coded(sqlite3.OperationalError, sqlite3.SQLITE_FULL)
    assert isinstance(translate(OperationalError("INSERT …", {"iban": "FR76"}, full)), StoreUnavailable)


def test_the_statement_and_its_values_are_not_told() -> None:
    constraint = _coded(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_UNIQUE)
    translated = translate(IntegrityError("INSERT INTO t", {"iban": "FR76"}, constraint))
    assert "FR76" not in str(translated)
    assert "INSERT" not in str(translated)


def test_other_errors_come_back_as_they_are() -> None:
    ours, foreign = StoreUnusable("sentence"), ValueError("nonsense")
    assert translate(ours) is ours
    assert translate(foreign) is foreign
    assert not is_passing(foreign)
